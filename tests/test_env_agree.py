"""The four files that say what to install agree; checked without uv or conda."""

import pathlib
import re
import tomllib

import pytest
import yaml
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = pathlib.Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
LOCKED = "requirements.lock", "requirements.txt"
PYTHONS = "3.11", "3.12", "3.13"


def requirements(name):
    """Return the pins of a requirements file, hashes and comments left out."""
    text = re.sub(r"\\\n", " ", (ROOT / name).read_text())
    lines = (
        re.sub(r"\s--hash=\S+|(^|\s)#.*", "", line).strip()
        for line in text.splitlines()
    )
    return [Requirement(line) for line in lines if line]


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


def direct_dependencies():
    extras = PROJECT["optional-dependencies"]
    named = [name for extra in ("book", "ot", "test") for name in extras[extra]]
    return list(map(Requirement, [*PROJECT["dependencies"], *named]))


def test_both_requirement_files_hold_the_same_pins():
    with_hashes, without = map(pins, LOCKED)
    assert with_hashes
    assert with_hashes == without


@pytest.mark.parametrize("python", PYTHONS)
def test_every_direct_dependency_is_locked_once_within_its_range(python):
    locked = {}
    for name, version, _ in pins("requirements.lock", python):
        assert locked.setdefault(name, version) == version, name
    for wanted in direct_dependencies():
        name = canonicalize_name(wanted.name)
        assert name in locked, str(wanted)
        assert wanted.specifier.contains(locked[name], prereleases=True), str(wanted)


def test_every_pin_of_the_lock_has_a_hash():
    entries = re.split(r"\n(?=\S)", (ROOT / "requirements.lock").read_text().strip())
    entries = [e for e in entries if not e.startswith("#")]
    assert len(entries) == len(requirements("requirements.lock"))
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


@pytest.mark.parametrize("name", [*LOCKED, "environment.yml"])
def test_no_file_names_an_address(name):
    assert "://" not in (ROOT / name).read_text()


def test_all_supported_pythons_are_covered():
    supported = SpecifierSet(PROJECT["requires-python"])
    minor = [f"3.{n}" for n in range(8, 20) if Version(f"3.{n}.1") in supported]
    assert tuple(minor) == PYTHONS
