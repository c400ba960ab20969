"""The search for what may not get out finds it, on whatever way it goes."""

import pytest

LEAKY = """
import asyncio, logging, subprocess, sys, urllib.request
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import click
from click.testing import CliRunner

from tests.canary import MARK, TEXT, plant
from tests.leaks import WATCH

SAYS = [sys.executable, "-c", "import sys; print(sys.argv[1]); print(sys.argv[1], file=sys.stderr)", MARK, "csstream"]


def test_it_is_printed():
    print(f"what a customer wrote: {TEXT}")


def test_it_is_printed_and_read_back(capsys):
    print(TEXT)
    capsys.readouterr()


def test_it_is_logged_at_the_lowest_level():
    logging.getLogger("csstream.part").debug("%s", TEXT)


def test_it_stands_in_a_trace():
    try:
        raise ValueError(TEXT)
    except ValueError:
        logging.getLogger("csstream").exception("an error")


def test_a_process_says_it_to_a_pipe():
    assert MARK in subprocess.run(SAYS, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout


def test_a_process_says_it_to_a_file_that_is_gone(tmp_path):
    with (tmp_path / "log").open("wb") as log:
        subprocess.run(SAYS, stdout=subprocess.DEVNULL, stderr=log)
    (tmp_path / "log").unlink()


def test_a_process_says_it_to_us():
    subprocess.run(SAYS)


def test_an_asynchronous_process_says_it():
    async def run():
        process = await asyncio.create_subprocess_exec(*SAYS, stdout=asyncio.subprocess.PIPE)
        assert MARK in (await process.communicate())[0].decode()

    asyncio.run(run())


def test_it_comes_in_two_pieces():
    half = f"import sys; sys.stdout.write({MARK[:5]!r}); sys.stdout.flush(); input(); print({MARK[5:]!r})"
    words = [sys.executable, "-c", half, "csstream"]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout.read(5)
        process.communicate(b"go on\\n")


def test_a_command_says_it():
    CliRunner().invoke(click.Command("c", callback=lambda: click.echo(TEXT)))


def test_a_page_says_it():
    class Page(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(MARK.encode())

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Page) as server:
        Thread(target=server.handle_request, daemon=True).start()
        with urllib.request.urlopen(f"http://127.0.0.1:{server.server_port}/metrics") as answer:
            answer.read()


def test_a_secret_that_was_made_here_is_printed():
    print(plant("made-just-now"))


def test_it_is_printed_in_json():
    print("\\\\u5728\\\\u5417 " + MARK)
"""

TIGHT = """
import subprocess, sys

from tests.canary import MARK


def test_nothing_is_said():
    print("all is well")


def test_a_command_whose_output_it_is_may_say_it():
    words = [sys.executable, "-c", f"print({MARK!r})", "csstream", "simulate", "-"]
    assert MARK in subprocess.run(words, stdout=subprocess.PIPE, text=True).stdout


def test_a_program_of_others_says_what_it_likes():
    assert MARK in subprocess.run(["echo", MARK], stdout=subprocess.PIPE, text=True).stdout
"""


@pytest.mark.parametrize(("module", "how_many"), [(LEAKY, 13), (TIGHT, 0)], ids=["leaky", "tight"])
def test_whatever_way_a_mark_gets_out_the_test_fails_and_the_mark_is_not_shown(
    pytester: pytest.Pytester, module: str, how_many: int
) -> None:
    pytester.makepyfile(module)
    run = pytester.runpytest_subprocess(
        "-p", "tests.leaks", "-p", "no:asyncio", "--show-capture=no", "-q", timeout=60
    )
    if how_many:
        run.assert_outcomes(failed=how_many)
        assert run.stdout.str().count("<mark>") >= how_many
    else:
        run.assert_outcomes(passed=3)
