"""The files that say what to install agree; checked without uv or conda."""

import pathlib
import re
import shutil
import sys
import tomllib

import make_env
import pytest
import yaml
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = pathlib.Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
BOOK, TEST = LOCKS = "requirements.lock", "requirements-test.lock"
PYTHONS = "3.11", "3.12", "3.13", "3.14"


def requirements(name):
    """Return the pins of a requirements file, hashes and comments left out."""
    text = re.sub(r"\\\n", " ", (ROOT / name).read_text())
    lines = (
        re.sub(r"\s--hash=\S+|(^|\s)#.*", "", line).strip()
        for line in text.splitlines()
    )
    return [Requirement(line) for line in lines if line and not line.startswith("-")]


def pins(name, python=None):
    """Return the sorted (name, version, marker), all or those one Python installs."""
    found = []
    for item in requirements(name):
        (pin,) = item.specifier
        assert pin.operator == "==", str(item)
        marker = str(item.marker or "")
        here = {"python_version": python, "python_full_version": f"{python}.1"}
        if python is None or not marker or Marker(marker).evaluate(here):
            found.append((canonicalize_name(item.name), Version(pin.version), marker))
    return sorted(found)


def direct_dependencies(*extras):
    """Return what the project itself and some of its extras ask for."""
    wanted = [PROJECT["optional-dependencies"][extra] for extra in extras]
    return [Requirement(text) for text in sum(wanted, PROJECT["dependencies"])]


def locked(python, *names):
    """Return the versions that some locks install on one Python."""
    found = {}
    for name, version, _ in (pin for lock in names for pin in pins(lock, python)):
        assert found.setdefault(name, version) == version, name
    return found


def test_the_pins_for_conda_are_those_of_the_book():
    assert pins(BOOK)
    assert pins("requirements.txt") == pins(BOOK)


def test_the_lock_of_the_tests_holds_only_what_they_add():
    book, test = ({name for name, *_ in pins(lock)} for lock in LOCKS)
    assert test
    assert book & test == set()


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize(
    ("extras", "locks"), [(["book"], [BOOK]), (["book", "ot", "test"], LOCKS)]
)
def test_every_direct_dependency_is_locked_within_its_range(extras, locks, python):
    versions = locked(python, *locks)
    for wanted in direct_dependencies(*extras):
        version = versions[canonicalize_name(wanted.name)]
        assert wanted.specifier.contains(version, prereleases=True), str(wanted)


def test_what_others_install_beside_us_is_not_pinned():
    for wanted in direct_dependencies(*PROJECT["optional-dependencies"]):
        operators = {clause.operator for clause in wanted.specifier}
        assert ">=" in operators, f"{wanted}: from which version on?"
        assert operators <= {">=", "<"}, f"{wanted}: pins belong in the locks"


def test_the_benchmarks_measure_with_the_locked_versions():
    versions = locked("3.11", *LOCKS)
    shared = set()
    for wanted in requirements("benchmarks/requirements.txt"):
        name = canonicalize_name(wanted.name)
        if name in versions and wanted.specifier:
            assert wanted.specifier.contains(versions[name]), str(wanted)
            shared.add(name)
    assert "pot" in shared  # the constraints, the pins of the book, have no pot


@pytest.mark.parametrize("lock", LOCKS)
def test_every_pin_of_a_lock_has_a_hash(lock):
    entries = re.split(r"\n(?=\S)", (ROOT / lock).read_text().strip())
    entries = [e for e in entries if not e.startswith("#")]
    assert len(entries) == len(requirements(lock))
    for entry in entries:
        assert re.search(r"--hash=sha256:[0-9a-f]{64}\b", entry), entry.splitlines()[0]


def test_requirements_txt_holds_no_hash():
    # pip would refuse the editable install beside hashed requirements
    assert "--hash" not in (ROOT / "requirements.txt").read_text()


def test_the_environment_adds_nothing_of_its_own():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    plain = [d for d in environment["dependencies"] if isinstance(d, str)]
    pip = [d["pip"] for d in environment["dependencies"] if isinstance(d, dict)]
    assert pip == [["-r requirements.txt", "-e ."]]
    assert plain[1:] == ["pip"]
    python = re.fullmatch(r"python=(\d+\.\d+)", plain[0])[1]
    assert Version(python + ".1") in SpecifierSet(PROJECT["requires-python"])


@pytest.mark.parametrize("name", [*LOCKS, "requirements.txt", "environment.yml"])
def test_no_file_names_an_address(name):
    assert "://" not in (ROOT / name).read_text()


def test_no_python_is_shut_out_from_above():
    assert PROJECT["requires-python"] == f">={PYTHONS[0]}"


def test_the_environment_is_made_with_the_supported_pythons():
    minors = range(make_env.OLDEST[1], make_env.NEWEST[1] + 1)
    assert tuple(f"3.{minor}" for minor in minors) == PYTHONS


# --- tools/make_env.py: the two parts of .venv --------------------------------------


@pytest.fixture
def made(tmp_path, monkeypatch):
    """Make environments in a scratch copy with commands that do nothing; list them."""
    for name in (*LOCKS, "pyproject.toml", "dynpo_lite/__init__.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text((ROOT / name).read_text())
    venv = tmp_path / ".venv"
    monkeypatch.setattr(make_env, "ROOT", tmp_path)
    monkeypatch.setattr(make_env, "VENV", venv)
    monkeypatch.setattr(make_env, "PYTHON", venv / "bin" / "python")
    commands = []

    def run(*command):
        words = [str(word) for word in command]
        commands.append(words[-1])
        if "--clear" in words:
            shutil.rmtree(venv, ignore_errors=True)
            (venv / "bin").mkdir(parents=True)
            (venv / "bin" / "python").symlink_to(sys.executable)

    def make(*options):
        commands.clear()
        monkeypatch.setattr(sys, "argv", ["make_env.py", *options])
        make_env.main()
        return [name for name in commands if name in LOCKS]

    monkeypatch.setattr(make_env, "run", run)
    return make


def test_the_tests_are_added_to_the_environment_of_the_book(made):
    assert made() == [BOOK]
    assert made() == []
    assert made("--test") == [TEST]
    assert made("--test") == []
    assert made() == []


def test_both_parts_are_made_at_once_where_there_is_nothing(made):
    assert made("--test") == [BOOK, TEST]


@pytest.mark.parametrize("name", [BOOK, "pyproject.toml"])
def test_what_goes_into_the_book_renews_both_parts(made, tmp_path, name):
    made("--test")
    (tmp_path / name).write_text("")
    assert made() == [BOOK]
    assert made("--test") == [TEST]


def test_the_lock_of_the_tests_concerns_the_tests_alone(made, tmp_path):
    made("--test")
    (tmp_path / TEST).write_text("")
    assert made() == []
    assert made("--test") == [BOOK, TEST]  # nothing of the old lock stays behind


def test_another_version_of_the_package_renews_its_metadata(made, tmp_path):
    made()
    (tmp_path / "dynpo_lite" / "__init__.py").write_text('__version__ = "9"\n')
    assert made() == [BOOK]


@pytest.fixture
def python_version(monkeypatch):
    """Set the version of Python that make_env sees, and what else is installed."""

    def go_on(path, argv):
        raise SystemExit(f"goes on in {path}")

    def pretend(minor, *others):
        monkeypatch.setattr(sys, "version_info", (3, minor))
        monkeypatch.setattr(make_env, "VERSION", f"3.{minor}")
        found = {name: name for name in others}
        monkeypatch.setattr(make_env.shutil, "which", found.get)
        monkeypatch.setattr(make_env.os, "execv", go_on)

    return pretend


def test_an_old_python_is_refused(python_version):
    python_version(10)
    with pytest.raises(SystemExit, match=r"3\.10; needed is 3\.11 to 3\.14: make PY"):
        make_env.use_supported_python()


def test_a_newer_python_is_tried(python_version, capsys):
    python_version(15)
    make_env.use_supported_python()
    said = "Python 3.15 is untested, 3.11 to 3.14 are supported: trying\n"
    assert capsys.readouterr().out == said


def test_a_supported_python_beside_another_is_taken(python_version):
    python_version(15, "python3.11", "python3.12")
    with pytest.raises(SystemExit, match=r"goes on in python3\.12"):
        make_env.use_supported_python()
