"""Packages are named by what is installed, whatever their modules are called."""

from importlib.metadata import version

from perdure.persist.packages import packages_of


def test_a_package_is_found_by_the_names_that_come_from_it() -> None:
    names = ["attr:Factory", "attrs:define", "cattrs:Converter", "attr._make:Attribute"]
    assert packages_of(names) == {"attrs": version("attrs"), "cattrs": version("cattrs")}


def test_pythons_own_perdure_and_what_is_not_installed_are_of_no_package() -> None:
    names = ["collections:deque", "perdure.app.application:Application", "visits:Counter", ""]
    assert packages_of(names) == {}


def test_a_package_that_is_called_otherwise_than_its_module_is_found() -> None:
    assert packages_of(["jwt:encode", "_pytest:main"]) == {"pytest": version("pytest")}
