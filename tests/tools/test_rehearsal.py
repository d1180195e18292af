"""``rundaemon --rehearse`` tells what a start would make of the state, and leaves all as it is."""

import os
import re
import signal

import pytest

from .conftest import Result, Workshop
from .releases import FIRST, HEAD, SECOND, Shop

UNCHANGED = "nothing was started, and its files are as they were"


@pytest.fixture
def shop(workshop: Workshop) -> Shop:
    """The first release, built."""
    # A release may come within the second, and as long as the one before.
    workshop.environment["PYTHONDONTWRITEBYTECODE"] = "1"
    made = Shop(workshop)
    made.release(FIRST)
    made.build()
    return made


def rehearsed(shop: Shop, *options: str, status: int = os.EX_OK) -> Result:
    """What the rehearsal says, which has changed nothing."""
    before = shop.files()
    result = shop.workshop.run("rundaemon", "--rehearse", *(options or ("-f", "shop.snap")))
    assert result.status == status, result
    assert shop.files() == before
    return result


def test_a_start_without_anything_to_do_is_told(shop: Shop) -> None:
    shop.visited()
    result = rehearsed(shop)
    said = result.out.splitlines()
    assert said[0].startswith("shop would start: it takes the state of /")
    assert said[1].startswith("it can be saved again: shop-shutdown.snap, ")
    assert re.fullmatch(r"it took \d\.\d\d s, and [\d.]+ MB of memory at most", said[2])
    assert said[3:] == [UNCHANGED]
    assert result.err == ""


@pytest.mark.parametrize("stopped", [True, False])
def test_what_is_brought_up_is_told_and_a_start_then_does_just_that(
    shop: Shop, *, stopped: bool
) -> None:
    shop.visited(3, stopped=stopped)
    before = shop.files()
    shop.release(SECOND)
    told = [
        "shop.Tally is shop.Visits now",
        "shop.Visits: 1 object brought up by the step to 2",
        "shop.Visits: the field colour is new, and 1 object got its default",
        "shop.Visits: the field junk is gone; what 1 object had in it is kept aside",
    ]
    result = rehearsed(shop)
    assert [line for line in told if line not in result.out.splitlines()] == []
    assert stopped or "and 3 changes that came after" in result.out

    server = shop.start()
    assert [line for line in told if line not in server.said] == []
    assert server.get("") == "visit 4, red"
    assert server.stop().status == 0
    if stopped:
        kept = shop.folder / "shop.generations" / "000001.snap"
        assert kept.read_bytes() == before["shop-shutdown.snap"][0]
    assert rehearsed(shop).out.count("brought up") == 0


@pytest.mark.parametrize("stopped", [True, False])
@pytest.mark.parametrize(
    ("release", "refusal"),
    [
        (SECOND.replace("pass", "1 / 0"), "its step to version 2 raised ZeroDivisionError"),
        (SECOND.replace("version=2", "version=3"), "no step leads to version 3"),
        (
            SECOND.replace('= "red"', "= attrs.field(kw_only=True)"),
            "the field colour is new, it has no",
        ),
        ("import nothing_of_the_kind\n", "needs a module nothing_of_the_kind"),
    ],
)
def test_a_refusal_is_that_of_the_start_and_all_stays(
    shop: Shop, release: str, refusal: str, *, stopped: bool
) -> None:
    shop.visited(2, stopped=stopped)
    shop.release(release, HEAD if "class" in release else release)
    before = shop.state()
    real = shop.workshop.run("rundaemon", "-n", "-f", "shop.snap")
    daemon = shop.workshop.run("rundaemon", "-f", "shop.snap")
    result = rehearsed(shop, status=real.status)
    assert refusal in result.err
    assert real.err.splitlines()[-1] == result.err.strip() == daemon.err.splitlines()[-1]
    assert daemon.status == real.status
    assert "would not start" in result.out
    noted = [line.removeprefix("rundaemon: ") for line in daemon.err.splitlines()[:-1]]
    assert [line for line in noted if line not in result.out.splitlines()] == []
    after = shop.state()
    assert {name: after[name] for name in before} == before

    shop.release(FIRST)
    assert shop.start().get("") == "visitor 3"


@pytest.mark.parametrize("stopped", [True, False])
def test_what_would_be_parked_is_told_and_what_comes_back(shop: Shop, *, stopped: bool) -> None:
    shop.visited(2, stopped=stopped)
    gone = FIRST.replace("Tally", "Other")
    shop.release(gone)
    result = rehearsed(shop)
    assert "warning: shop.Tally is parked: shop.Tally: there is no Tally in the mod" in result.out
    server = shop.start()
    assert "shop.Tally is parked: " in server.said
    assert server.stop().status == 0
    shop.release(SECOND)
    result = rehearsed(shop)
    assert "is parked" not in result.out
    assert "shop.Visits: 1 object brought up by the step to 2" in result.out
    server = shop.start()
    assert server.get("") == "visit 3, red"
    assert server.stop().status == 0


def test_it_may_be_done_beside_a_server_that_runs(shop: Shop) -> None:
    server = shop.start()
    assert server.get("") == "visitor 1"
    result = rehearsed(shop)
    assert f"shop runs as process {server.process.pid}, and goes on" in result.out
    assert "starts from its blueprint, and 1 change that came after" in result.out
    shop.release(SECOND)
    assert "brought up by the step to 2" in rehearsed(shop).out
    assert server.get("") == "visitor 2"
    assert server.stop().status == 0


def test_checkpoints_of_the_server_do_not_disturb_it(shop: Shop) -> None:
    server = shop.start("--keep", "1", "--durability", "relaxed")
    for number in range(1, 6):
        assert server.get("") == f"visitor {number}"
        server.process.send_signal(signal.SIGUSR1)
        result = shop.workshop.run("rundaemon", "--rehearse", "-f", "shop.snap")
        assert result.status == os.EX_OK, result
        assert "warning" not in result.out
    assert server.stop().status == 0


CRASHES = {
    "os._exit(0)": "ended itself with status 0 while it was restoring the state",
    "os._exit(3)": "ended itself with status 3 while",
    "os.kill(os.getpid(), 9)": "was ended by SIGKILL while it was restoring the state",
    "ctypes.string_at(0)": "was ended by SIGSEGV while it was restoring the state, in string_at (",
}


@pytest.mark.parametrize("code", CRASHES)
def test_a_crash_is_told(shop: Shop, code: str) -> None:
    shop.visited()
    shop.release(SECOND.replace("pass", f"import ctypes, os; {code}"))
    result = rehearsed(shop, status=os.EX_SOFTWARE)
    assert result.err.startswith(f"rundaemon: the process {CRASHES[code]}")
    assert result.err.count("\n") == 1


@pytest.mark.parametrize("code", ["while True: pass", "import time; time.sleep(1000)"])
def test_what_does_not_end_is_ended(shop: Shop, code: str) -> None:
    shop.visited()
    shop.release(SECOND.replace("pass", code))
    result = rehearsed(shop, "-f", "shop.snap", "--rehearsal-limit", "1.5", status=os.EX_SOFTWARE)
    line = (shop.folder / "shop.py").read_text().splitlines().index("    " + code) + 1
    assert result.err == (
        "rundaemon: it was not done after 1.5 s, and was ended while it was restoring the state, in"
        f" step ({shop.folder}/shop.py, line {line}); if there is no fault in what is called there,"
        " give it more time\n"
    )


def test_processes_that_code_has_started_do_not_stay(shop: Shop) -> None:
    shop.visited()
    shop.release(
        SECOND.replace(
            "pass",
            "import subprocess; open('pid.py', 'w').write("
            "str(subprocess.Popen(['sleep', '1000']).pid))",
        )
    )
    rehearsed(shop)
    pid = int((shop.folder / "pid.py").read_text())
    with pytest.raises(ProcessLookupError):
        # Killed with the rest; whoever adopts it may yet have to take note.
        _wait_for_end(pid)


def _wait_for_end(pid: int) -> None:
    watch = os.pidfd_open(pid)
    try:
        import select

        assert select.select([watch], [], [], 10)[0]
    finally:
        os.close(watch)
    raise ProcessLookupError


def test_what_could_not_be_saved_again_is_told(shop: Shop) -> None:
    shop.visited()
    shop.release(
        SECOND.replace("@attrs.define", "@persistent()\n    @attrs.define(slots=False)").replace(
            'colour: str = "red"',
            'colour: str = "red"\n'
            "        def after_restore(self):\n"
            "            import threading\n"
            "            self.lock = threading.Lock()",
        )
    )
    result = rehearsed(shop)
    assert "warning: it could not be saved again: " in result.out
    assert "application.registry[shop.Visits].lock" in result.out


def test_what_is_damaged_stays_where_it_is(shop: Shop) -> None:
    shop.visited(3, stopped=False)
    [segment] = (shop.folder / "shop.journal").iterdir()
    data = bytearray(segment.read_bytes())
    data[data.index(b"value") + 8] ^= 0xFF
    segment.write_bytes(data)
    result = rehearsed(shop)
    assert "are damaged" in result.out
    assert f"what is damaged is kept in {segment.parent}/damaged" in result.out
    assert not (segment.parent / "damaged").exists()


def test_its_options_are_those_of_a_start(shop: Shop) -> None:
    shop.visited(2)
    assert "starts without earlier state" in rehearsed(shop, "--fresh", "-f", "shop.snap").out
    assert (
        "starts without earlier state"
        in rehearsed(shop, "--fresh", "--no-save", "-f", "shop.snap").out
    )
    assert "it resumes /" in rehearsed(shop, "-f", "shop-shutdown.snap").out
    assert (
        "it resumes /"
        in rehearsed(shop, "--durability", "checkpoint", "-f", "shop-shutdown.snap").out
    )
    assert "starts without" in rehearsed(shop, "web", "--path", ".", "--port", "0").out
    (shop.folder / "elsewhere").mkdir()
    result = rehearsed(shop, "-f", "shop.snap", "--statedir", "elsewhere")
    assert "starts without earlier state" in result.out
    result = rehearsed(shop, "--fresh", "-f", "shop-shutdown.snap", status=os.EX_USAGE)
    assert "--fresh is for a blueprint" in result.err
    result = rehearsed(shop, "-f", "shop.snap", "-y", "shop.py", status=os.EX_USAGE)
    assert "one of -f SNAPSHOT" in result.err
    os.rename(shop.folder / "shop.py", shop.folder / "elsewhere" / "shop.py")
    result = rehearsed(shop, status=os.EX_DATAERR)
    assert "there is no module shop" in result.err
    assert "would start" in rehearsed(shop, "-f", "shop.snap", "--pythonpath", "elsewhere").out


def test_a_strangers_is_loaded_as_far_as_it_is_trusted(shop: Shop) -> None:
    shop.visited()
    home = shop.workshop.environment["PERDURE_HOME"]
    shop.workshop.environment["PERDURE_HOME"] = home + "-other"
    result = rehearsed(shop, status=os.EX_NOPERM)
    assert "--trust shop" in result.err
    shop.workshop.environment["PERDURE_HOME"] = home
    result = rehearsed(shop)
    assert "warning" not in result.out


def test_a_port_that_is_taken_does_not_matter(shop: Shop) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        shop.workshop.mkapp("web", "--path", ".", "--port", str(port))
        rehearsed(shop, "-f", "web.snap")
