"""`python -m deploy.grafana.boards`: the JSON files anew."""

from deploy.grafana.boards import FOLDER, documents

FOLDER.mkdir(exist_ok=True)
for name, text in documents().items():
    (FOLDER / name).write_text(text, "utf-8")
    print(FOLDER / name)
