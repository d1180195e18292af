"""Building applications."""

import os
import stat
import subprocess
from itertools import permutations
from pathlib import Path

import httpx2
import pytest

from ..certificate import new_key, pem_of_certificate, pem_of_key
from .conftest import Workshop


def test_help_lists_the_kinds_and_a_kinds_help_its_options(workshop: Workshop) -> None:
    assert "web" in workshop.mkapp("--help").out
    assert "--processor" in workshop.mkapp("web", "--help").out
    assert workshop.mkapp("--version").out.startswith("perdure ")


def test_a_snapshot_is_for_its_owner_alone(workshop: Workshop, site: Path) -> None:
    workshop.mkapp("web", "--path", site)
    assert stat.S_IMODE((workshop.folder / "web.snap").stat().st_mode) == 0o600


def test_the_order_of_options_never_matters(workshop: Workshop, site: Path) -> None:
    pairs = [["--path", str(site)], ["--ignore-ext", ".html"], ["-o", "w.snap"]]
    for order in permutations(pairs):
        words = [word for pair in order for word in pair]
        workshop.mkapp("web", *words, "--port", "0")
    workshop.mkapp("-o", "w.snap", "web", "--port", "0", "--ignore-ext", ".html", "--path", site)
    server = workshop.start("-f", "w.snap")
    assert server.get("about") == server.get("about.html")


def test_ids_are_recorded_only_when_given_and_as_given(workshop: Workshop, site: Path) -> None:
    from perdure.app.application import Application
    from perdure.persist import snapshot
    from perdure.persist.restore import restore
    from perdure.persist.trust import Policy

    for options, expected in (
        ([], (None, None)),
        (["--uid", "nobody", "--gid", "65534"], ("nobody", 65534)),
    ):
        workshop.mkapp("web", "--path", site, *options)
        stream = snapshot.read(workshop.folder / "web.snap").stream
        application = restore(stream, Policy.only(["perdure.app.web.script"]))
        assert isinstance(application, Application)
        assert (application.process.uid, application.process.gid) == expected


def test_append_adds_a_service_to_an_application(workshop: Workshop, site: Path) -> None:
    workshop.mkapp("web", "--path", site, "--port", "0")
    workshop.mkapp("--append", "web.snap", "web", "--path", site / "about.html", "--port", "0")
    server = workshop.start("-f", "web.snap")
    first, second = server.said.split(" at ")[1].strip().split(", ")
    assert httpx2.get(first).text != httpx2.get(second).text


def test_append_to_a_file_that_is_not_there_makes_it(workshop: Workshop, site: Path) -> None:
    workshop.mkapp("web", "--append", "all.snap", "--path", site)
    assert workshop.files() == ["all.snap", "site"]


def test_several_endpoints_answer_alike(workshop: Workshop, site: Path) -> None:
    workshop.mkapp(
        *("web", "--path", site, "--port", "0"),
        *("--listen", "unix:web.sock", "--listen", r"tcp:0:interface=\:\:1"),
    )
    server = workshop.start("-f", "web.snap")
    socket = workshop.folder / "web.sock"
    transport = httpx2.HTTPTransport(uds=str(socket))
    with httpx2.Client(transport=transport) as client:
        assert client.get("http://web/about.html").text == server.get("about.html")
    assert "http://[::1]:" in server.said
    assert server.stop().status == 0
    assert not socket.exists()


def test_headers_and_the_access_log_are_as_asked(workshop: Workshop, site: Path) -> None:
    workshop.mkapp(
        *("web", "--path", site, "--port", "0", "--logfile", "access.log"),
        *("--add-header", "X-Frame-Options: DENY", "--add-header", "X-Mood: fine"),
    )
    server = workshop.start("-f", "web.snap")
    reply = httpx2.get(server.url, headers={"Referer": "http://example.org/", "User-Agent": "t"})
    assert (reply.headers["x-frame-options"], reply.headers["x-mood"]) == ("DENY", "fine")
    server.stop()
    line = (workshop.folder / "access.log").read_text()
    assert line.startswith("127.0.0.1 - - [")
    assert '"GET / HTTP/1.1" 200 ' in line
    assert line.endswith(' "http://example.org/" "t"\n')


def test_without_scripts_they_are_neither_run_nor_shown(workshop: Workshop, site: Path) -> None:
    workshop.mkapp("web", "--path", site, "--port", "0", "--no-scripts")
    server = workshop.start("-f", "web.snap")
    assert httpx2.get(server.url + "counter.rpy").status_code == 403
    assert httpx2.get(server.url + "visits.py").status_code == 404
    assert "Halden" in server.get("")


def test_a_class_or_a_script_can_be_the_root(workshop: Workshop, site: Path) -> None:
    (workshop.folder / "pages.py").write_text(
        "from perdure.app.web.resource import Resource\n"
        "class Hello(Resource):\n"
        "    is_leaf = True\n"
        "    def render_GET(self, request): return 'hello'\n"
    )
    workshop.mkapp("web", "--class", "pages.Hello", "--port", "0", "-o", "class.snap")
    assert workshop.start("-f", "class.snap").get("any/where") == "hello"
    workshop.mkapp(
        "web", "--resource-script", site / "counter.rpy", "--port", "0", "-o", "script.snap"
    )
    assert "visitor 1" in workshop.start("-f", "script.snap").get("")


def test_a_processor_answers_for_its_extension(workshop: Workshop, site: Path) -> None:
    (workshop.folder / "upper.py").write_text(
        "from pathlib import Path\n"
        "from perdure.app.web.resource import Resource\n"
        "class Upper(Resource):\n"
        "    is_leaf = True\n"
        "    def __init__(self, path, registry): self.path = path\n"
        "    def render_GET(self, request): return Path(self.path).read_text().upper()\n"
    )
    (site / "a.up").write_text("quiet")
    workshop.mkapp("web", "--processor", ".up=upper.Upper", "--path", site, "--port", "0")
    assert workshop.start("-f", "web.snap").get("a.up") == "QUIET"


def test_kinds_come_from_any_installed_package_and_a_broken_one_harms_no_other(
    workshop: Workshop, tmp_path: Path, site: Path
) -> None:
    packages = tmp_path / "packages"
    info = packages / "others-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: others\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[perdure.kinds]\nbroken = nowhere:KIND\nnumber = math:pi\nweb2 = others:KIND\n"
    )
    (packages / "others.py").write_text(
        "from perdure.tools.kind import Kind\n"
        "from perdure.tools.kinds.web import KIND as WEB\n"
        "KIND = Kind(summary='Another web.', options=WEB.options, make=WEB.make)\n"
    )
    workshop.environment["PYTHONPATH"] = str(packages)
    listing = workshop.mkapp("--help").out
    assert "Another web." in listing
    assert "cannot be used" in listing
    broken = workshop.run("mkapp", "broken")
    assert broken.status == os.EX_USAGE
    assert "others 1.0 cannot be loaded" in broken.err
    assert "not a Kind" in workshop.run("mkapp", "number").err
    workshop.mkapp("web2", "--path", site)


@pytest.mark.parametrize("command", ["mkapp", "rundaemon"])
def test_help_is_for_people(workshop: Workshop, command: str) -> None:
    result = workshop.run(command, "--help")
    assert result.status == 0
    assert result.out.startswith(f"Usage: {command} ")


def test_a_tls_endpoint_serves_with_its_certificate(workshop: Workshop, site: Path) -> None:
    key, pem = new_key(), workshop.folder / "server.pem"
    pem.write_bytes(pem_of_key(key) + pem_of_certificate(key))
    workshop.mkapp("web", "--path", site, "--listen", f"tls:0:cert={pem}:interface=127.0.0.1")
    server = workshop.start("-f", "web.snap")
    port = server.url.rstrip("/").rsplit(":", 1)[1]
    shown = subprocess.run(
        [
            *("curl", "-sS", "--cacert", pem, "--resolve", f"localhost:{port}:127.0.0.1"),
            f"https://localhost:{port}/about.html",
        ],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert shown.stdout == (site / "about.html").read_text()


def test_a_certificate_that_cannot_be_used_is_said_before_a_port_is_open(
    workshop: Workshop, site: Path
) -> None:
    workshop.mkapp("web", "--path", site, "--port", "0", "--listen", "tls:0:cert=no.pem")
    result = workshop.run("rundaemon", "-n", "-f", "web.snap")
    assert result.status not in (0, os.EX_SOFTWARE), result
    assert "no.pem" in result.err
    assert result.err.count("\n") == 1
