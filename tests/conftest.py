"""What holds for every test: nothing of what it puts out may show chat text or secrets."""

pytest_plugins = ("pytester", "tests.leaks")
