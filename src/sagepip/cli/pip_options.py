"""The options of pip and other installers that have no effect here or are refused: data only."""

from __future__ import annotations

from sagepip.cli.option import Kind, Option, Status


def _options(status: Status, kind: Kind, table: dict[str, str]) -> tuple[Option, ...]:
    return tuple(
        Option(tuple(names.split()), kind, status, names.split()[-1], advice=advice)
        for names, advice in table.items()
    )


PIP_WITHOUT_EFFECT = (
    *_options(
        Status.NO_EFFECT,
        Kind.ON,
        {
            "--isolated": "sagepip is always isolated from user site and pip's configuration files",
            "--no-cache-dir": "sagepip's cache of build environments is safe to share",
            "--disable-pip-version-check": "sagepip looks for no new versions of itself",
            "--no-python-version-warning": "there is no such warning",
            "--no-input": "sagepip never asks",
            "--use-pep517": "sagepip always does",
            "--no-warn-script-location": "there is no such warning",
            "--no-warn-conflicts": "there is no such warning",
            "--no-user": "sagepip never installs into the user site",
        },
    ),
    *_options(
        Status.NO_EFFECT,
        Kind.TEXT,
        {
            "--cache-dir": "set SAGEPIP_CACHE_DIR for sagepip's cache",
            "--progress-bar": "there is none",
            "--root-user-action": "sagepip does not warn about root",
            "--exists-action": "sagepip never asks",
            "--retries": "pip reads PIP_RETRIES where it may fetch",
            "--timeout --default-timeout": "this is pip's, for the network; the lock has "
            "--lock-timeout",
        },
    ),
)

_PRERELEASE = "name the version, as in NAME==1.0rc1"

_NETWORK = (
    *_options(
        Status.LEFT_TO_PIP,
        Kind.TEXT,
        {
            name: f"set PIP_{name[2:].upper().replace('-', '_')}, which pip reads if it may fetch"
            for name in (
                "--extra-index-url",
                "--trusted-host",
                "--proxy",
                "--cert",
                "--client-cert",
                "--keyring-provider",
                "--resume-retries",
                "--refresh-package",
                "--uploaded-prior-to",
            )
        },
    ),
    *_options(
        Status.LEFT_TO_PIP,
        Kind.ON,
        {
            "--no-proxy-env": "set PIP_NO_PROXY_ENV, which pip reads if it may fetch",
            "--pre": _PRERELEASE,
        },
    ),
    *_options(
        Status.LEFT_TO_PIP,
        Kind.WHOLE,
        {"--use-feature": "leave it out", "--use-deprecated": "leave it out"},
    ),
)

_OTHER_PLATFORM = "give the interpreter to install for with --python"
_BACKEND = "pip 23.1 removed it; use --config-settings"
_REQUIREMENTS = "put the requirements into a file and give it with -r"

_SCHEME = "give --root STAGED --prefix /usr: all directories of the scheme move together"

# Options of installer, of the programs that distributions have made of it, of gpep517 and of build.
_OF_OTHERS = _options(
    Status.REFUSED,
    Kind.WHOLE,
    {
        "--validate-record": "leave it out: RECORD is always compared with the content",
        "--sysroot": "leave it out: give the interpreter to build for with --python",
        "--installer": "leave it out: the cache of build environments makes them quick to set up",
        "--env-dir": "give --keep-build, which says where the environment is",
        "--dependency-constraints-txt": "give --build-constraint",
        "--sdist-extract-dir": "leave it out: sdists are unpacked in TMPDIR",
        **dict.fromkeys(("--purelib", "--platlib", "--headers", "--scripts", "--data"), _SCHEME),
        "--script-kind": "leave it out: scripts are made for the platform that sagepip runs on",
        "--backend": "leave it out: the backend is the one that pyproject.toml names",
        "--output-fd": "leave it out: sagepip build prints the path of the wheel on stdout",
        "--optimize": "give --compile, and run python -m compileall -o LEVEL for other levels",
    },
)

# pip has these for each of its subcommands.
_GENERAL = _options(
    Status.REFUSED,
    Kind.ON,
    {
        "--require-virtualenv --require-venv": "name the venv with --python",
        "--debug": "set SAGEPIP_DEBUG=1",
    },
)

REFUSED = (
    *_NETWORK,
    *_OF_OTHERS,
    *_GENERAL,
    *_options(
        Status.REFUSED,
        Kind.ON,
        {
            "--user": "install into a venv with --python, or below --prefix",
            "--overwrite-existing": "leave it out: another version is replaced; "
            "for files of others give --overwrite PATTERN",
            "--metadata": "run python -m build --metadata; it stores nothing",
            "--only-deps --only-dependencies": _REQUIREMENTS,
        },
    ),
    *_options(
        Status.REFUSED,
        Kind.WHOLE,
        {
            "--global-option": _BACKEND,
            "--install-option": _BACKEND,
            "--build-option": _BACKEND,
            "--platform": _OTHER_PLATFORM,
            "--python-version": _OTHER_PLATFORM,
            "--implementation": _OTHER_PLATFORM,
            "--abi": _OTHER_PLATFORM,
            "--all-releases": _PRERELEASE,
            "--only-final": _PRERELEASE,
            "--group": _REQUIREMENTS,
            "--requirements-from-script": _REQUIREMENTS,
            "--upgrade-strategy": "dependencies are upgraded only if needed; name what to upgrade",
            "--src --source --source-dir --source-directory": "sagepip checks nothing out",
        },
    ),
)

_NOTHING_FETCHED = "leave it out: nothing is fetched"

# Of commands that never fetch, and that pip has as well.
REFUSED_OFFLINE = (
    *_GENERAL,
    *_options(
        Status.LEFT_TO_PIP,
        Kind.WHOLE,
        {
            **dict.fromkeys(
                (
                    "--trusted-host",
                    "--proxy",
                    "--cert",
                    "--client-cert",
                    "--keyring-provider",
                    "--resume-retries",
                ),
                _NOTHING_FETCHED,
            ),
            "--use-feature": "leave it out",
            "--use-deprecated": "leave it out",
        },
    ),
    *_options(Status.LEFT_TO_PIP, Kind.ON, {"--no-proxy-env": _NOTHING_FETCHED}),
)
