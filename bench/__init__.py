"""Programs that show what sagepip does on real packages, and what happens without it.

``python -m bench.demo`` builds and installs well-known packages, eight at once.
``python -m bench.race`` reinstalls a package while others build, by several ways.
Both are run from the root of the repository, with the interpreter of its environment.
"""
