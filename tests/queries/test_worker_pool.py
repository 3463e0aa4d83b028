"""Workers answer, fail without a word, overrun, die and are replaced; and none outlives its parent."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from budgets.privacy_loss import PrivacyLoss
from queries.errors import EngineUnavailableError, IllegalPlanError, PostprocessError, ReleaseFailedError
from queries.plan import WEIGHT_ONE
from queries.vault import Snapshot
from queries.worker_pool import WorkerPool
from queries.worker_process import Deadlines
from queries.worker_wire import Wire
from tests.queries.vault_world import Shop
from tests.queries.worker_world import AXIS, COUNT, UNKNOWN, files, rows, stream, working

ROOT = Path(__file__).resolve().parents[2]
EXPECTED = {-1: 250, 1: 250, 2: 0, 3: 250}  # product 0 is in no catalogue, and product 2 is sold under its stand-in
ENDLESS = (  # of short tables: a long one may be out of memory before it is out of time
    "SELECT count(*) AS n FROM range(1000) AS a(ax), range(1000) AS b(bx), range(1000) AS c(cx), range(1000) AS d(dx), "
    "range(1000) AS e(ex) WHERE (ax * bx + cx * dx + ex) % 7 = 3"
)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> tuple[Shop, Snapshot]:
    shop = Shop(tmp_path_factory.mktemp("shop"))
    return shop, shop.load()


@pytest.fixture(scope="module")
def pool(world: tuple[Shop, Snapshot]) -> Iterator[WorkerPool]:
    with working(*world, public_workers=1) as pool:
        yield pool


def _counts(released: bytes) -> dict[int, int]:
    return {int(str(row["k0"])): round(int(str(row["m0"])) / WEIGHT_ONE) for row in rows(released)}


def test_a_worker_of_private_rows_tells_no_exact_sum(pool: WorkerPool) -> None:
    with pool.vault() as worker:
        with pytest.raises(IllegalPlanError) as refusal:
            worker.exact(COUNT)
        assert str(refusal.value) == ""
        assert _counts(worker.release(COUNT, COUNT.loss)) == EXPECTED


def test_a_worker_of_a_simulation_tells_exact_sums_without_bounds(world: tuple[Shop, Snapshot]) -> None:
    tight = replace(COUNT, blocks=(replace(COUNT.blocks[0], measures=(replace(COUNT.measures[0], l2_bound=1),)),))
    with working(*world, simulation=True) as pool, pool.vault() as worker:
        found = worker.exact(tight)
        clipped = _counts(worker.release(tight, tight.loss))
    assert _counts(found) == EXPECTED
    assert clipped[-1] < EXPECTED[-1] / 4
    assert {row["s0"] for row in rows(found)} == {0.0}


def _gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def _eventually_gone(pid: int) -> bool:
    deadline = time.monotonic() + 5
    while not _gone(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    return _gone(pid)


def test_a_release_has_a_row_for_each_key_and_the_declared_noise(pool: WorkerPool) -> None:
    with pool.vault() as worker:
        assert _counts(worker.release(COUNT, COUNT.loss)) == EXPECTED


def test_a_release_that_loses_more_than_was_charged_fails(pool: WorkerPool) -> None:
    with pool.vault() as worker, pytest.raises(ReleaseFailedError):
        worker.release(COUNT, PrivacyLoss(COUNT.loss.rho_nano - 1))


def test_a_failed_release_says_nothing_and_the_next_has_a_fresh_worker(pool: WorkerPool) -> None:
    with pool.vault() as worker:
        pid = worker.pid
        with pytest.raises(ReleaseFailedError) as caught:
            worker.release(UNKNOWN, UNKNOWN.loss)
        assert str(caught.value) == str(ReleaseFailedError())
        assert caught.value.__cause__ is None
    with pool.vault() as worker:
        assert worker.pid != pid
        assert _counts(worker.release(COUNT, COUNT.loss)) == EXPECTED


def test_the_vault_answers_nothing_but_releases(pool: WorkerPool) -> None:
    with pool.vault() as worker:
        with pytest.raises(PostprocessError) as caught:
            worker.postprocess("SELECT * FROM private.main.lines", {}, 10)
        with pytest.raises(IllegalPlanError, match=r"^$"):
            worker.domain_size(AXIS)
    assert caught.value.reason == ""


def test_what_a_release_would_fail_on_shows_in_preparation(pool: WorkerPool) -> None:
    pool.prepare(COUNT)
    with pytest.raises(IllegalPlanError, match="secret"):
        pool.prepare(UNKNOWN)


def test_the_size_of_a_domain_comes_from_public_tables(pool: WorkerPool) -> None:
    assert pool.domain_size(AXIS) == len(EXPECTED)


def test_postprocessing_sees_released_and_public_tables(pool: WorkerPool) -> None:
    sql = "SELECT department, sum(n) AS n FROM r0 JOIN public.main.products ON product_id = n GROUP BY ALL ORDER BY ALL"
    answer = pool.postprocess(sql, {"r0": stream("n", [1, 2, 2])}, 10)
    assert rows(answer) == [{"department": "bakery", "n": 1}, {"department": "drinks", "n": 4}]


def test_postprocessing_leaves_nothing_behind(pool: WorkerPool) -> None:
    pool.postprocess("SELECT * FROM r0", {"r0": stream("n", [1])}, 10)
    with pytest.raises(PostprocessError, match="a table that there is not"):
        pool.postprocess("SELECT * FROM r0", {}, 10)


def test_postprocessing_finds_no_private_rows(pool: WorkerPool) -> None:
    assert rows(pool.postprocess("SELECT count(*) AS n FROM private.main.lines", {}, 10)) == [{"n": 0}]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1; SELECT 2",
        "",
        "CREATE TABLE x(i INTEGER)",
        "INSERT INTO public.main.products VALUES (1, 'a', 'b')",
        "SET threads = 4",
        "ATTACH ':memory:' AS y",
        "COPY (SELECT 1) TO 'x.csv'",
        "SELECT * FROM read_text('/proc/self/environ')",
        "SELECT * FROM glob('*')",
        "SELECT getenv('PATH')",
        "SELECT CAST('x' AS INTEGER)",
        "SELECT * FROM range(11)",
        "SELECT missing",
    ],
)
def test_postprocessing_refuses_all_but_one_select_of_the_allowed_length(sql: str, pool: WorkerPool) -> None:
    with pytest.raises(PostprocessError) as caught:
        pool.postprocess(sql, {}, 10)
    assert re.fullmatch(r"[A-Za-z][\w ,.:]+", caught.value.reason)
    assert " Error" not in caught.value.reason


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("SELECT CAST(department AS INTEGER) AS x FROM public.main.products", "TRY_CAST"),
        ("SELECT LN(0) AS x", "range"),
        ("SELECT STRFTIME(DATE '2020-01-01', '%Q') AS x", "a value that it cannot work with"),
        ("SELECT (SELECT i FROM range(3) AS t(i)) AS x", "several rows"),
        ("SELECT i FROM range(3) AS t(i), range(3) AS s(i)", "several tables"),
        ("SELECT i, COUNT(*) AS n FROM range(3) AS t(i)", "GROUP BY"),
        ("SELECT SUM(SUM(i)) AS n FROM range(3) AS t(i)", "subquery"),
        ("SELECT 1 UNION SELECT 1, 2", "as many columns"),
        ("SELECT UPPER(1) AS x", "CAST"),
        ("SELECT no_such_function(1) AS x", "there is not"),
        ("SELECT missing", "cannot be run"),
        ("SELECT * FROM range(11)", "more than 10 rows"),
        ("SELECT i / 0 AS x, CAST(i || 'x' AS INTEGER) AS y FROM range(100000) AS t(i)", "TRY_CAST"),
    ],
)
def test_an_error_of_the_engine_is_told_in_words_of_ours(sql: str, said: str, pool: WorkerPool) -> None:
    with pytest.raises(PostprocessError, match=said) as caught:
        pool.postprocess(sql, {}, 10)
    assert not re.search(r"Error|LINE|\^|INT32|VARCHAR|range\(|'", caught.value.reason)


def test_an_answer_of_many_bytes_is_not_given(pool: WorkerPool) -> None:
    few = "SELECT repeat('x', 1000) AS x FROM range(30000)"
    assert len(rows(pool.postprocess(few, {}, 1_000_000))) == 30_000
    with pytest.raises(PostprocessError, match="MiB"):
        pool.postprocess(few.replace("30000", "40000"), {}, 1_000_000)


@pytest.mark.parametrize(
    "sql",
    [
        ENDLESS,
        "SELECT i FROM range(100000000000) AS t(i) WHERE i < 0 OR i = 5",
    ],
)
def test_a_statement_that_takes_too_long_is_interrupted(sql: str, world: tuple[Shop, Snapshot]) -> None:
    with working(*world, vault_workers=1, public_workers=1, statement_seconds=0.3) as pool:
        started = time.monotonic()
        with pytest.raises(PostprocessError, match=r"longer than 0\.3 seconds"):
            pool.postprocess(sql, {}, 1_000)
        assert rows(pool.postprocess("SELECT 1 AS n", {}, 10)) == [{"n": 1}]
        assert time.monotonic() - started < 2  # the same worker: a new one takes longer to start


def test_workers_are_given_in_the_order_in_which_they_were_asked_for(world: tuple[Shop, Snapshot]) -> None:
    order: list[int] = []

    def ask(pool: WorkerPool, number: int) -> None:
        with pool.vault():
            order.append(number)

    with working(*world) as pool:
        threads = [threading.Thread(target=ask, args=(pool, number)) for number in range(8)]
        with pool.vault():
            for thread in threads:
                thread.start()
                time.sleep(0.02)
        for thread in threads:
            thread.join()
    assert order == list(range(8))


def test_postprocessing_takes_ordinary_table_names_only(pool: WorkerPool) -> None:
    with pytest.raises(PostprocessError):
        pool.postprocess("SELECT 1", {"x AS SELECT 1; --": stream("n", [1])}, 10)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT repeat('a', 2000000000)",
        "SELECT list(i || repeat('x', 1000)) FROM range(10000000) AS r(i)",
        "SELECT string_agg(repeat('a', 1000000), '') FROM range(4000)",
    ],
)
def test_a_memory_bomb_is_a_clean_error(sql: str, pool: WorkerPool) -> None:
    with pytest.raises((PostprocessError, EngineUnavailableError)):
        pool.postprocess(sql, {}, 10)
    assert rows(pool.postprocess("SELECT 1 AS n", {}, 10)) == [{"n": 1}]


def test_a_worker_gives_up_what_it_does_not_need(pool: WorkerPool) -> None:
    with pool.vault() as worker:
        held = json.loads(worker.ping())
        status = Path(f"/proc/{worker.pid}/status").read_text(encoding="ascii")
        limits = Path(f"/proc/{worker.pid}/limits").read_text(encoding="ascii")
    assert held["no_core_dump"]
    assert held["not_dumpable"]
    assert held["no_new_privileges"]
    assert held["dies_with_parent"]
    assert "NoNewPrivs:\t1" in status
    sizes = {line[:26].strip(): line[26:].split()[0] for line in limits.splitlines()}
    assert sizes["Max core file size"] == sizes["Max file size"] == "0"
    assert int(sizes["Max address space"]) == held["address_space_bytes"] < 1 << 32


def test_no_secret_is_in_the_arguments_or_the_environment(pool: WorkerPool, world: tuple[Shop, Snapshot]) -> None:
    with pool.vault() as worker:
        arguments = Path(f"/proc/{worker.pid}/cmdline").read_bytes()
    shop, snapshot = world
    for key in (shop.keys.vault_key, shop.keys.snapshot_key(snapshot.dataset, snapshot.id)):
        assert key.encode() not in arguments
    assert b"queries.worker" in arguments


def test_a_worker_that_overruns_is_killed_and_replaced(world: tuple[Shop, Snapshot]) -> None:
    with working(*world, public_workers=1, deadlines=Deadlines(release_seconds=0.3, public_seconds=0.3)) as pool:
        with pool.vault() as worker:
            first = worker.pid
            os.kill(first, signal.SIGSTOP)
            started = time.monotonic()
            with pytest.raises(ReleaseFailedError):
                worker.release(COUNT, COUNT.loss)
            assert time.monotonic() - started < 2
            assert _gone(first)
        with pool.vault() as worker:
            assert worker.pid != first
        with pytest.raises(EngineUnavailableError):
            pool.postprocess(ENDLESS, {}, 10)
        assert rows(pool.postprocess("SELECT 1 AS n", {}, 10)) == [{"n": 1}]


def test_a_worker_that_died_is_replaced(world: tuple[Shop, Snapshot]) -> None:
    with working(*world) as pool:
        with pool.vault() as worker:
            busy = worker.pid
            os.kill(busy, signal.SIGKILL)
            with pytest.raises(ReleaseFailedError):
                worker.release(COUNT, COUNT.loss)
        with pool.vault() as worker:
            idle = worker.pid
            assert idle != busy
        os.kill(idle, signal.SIGKILL)  # no caller should get this one
        with pool.vault() as worker:
            assert _counts(worker.release(COUNT, COUNT.loss)) == EXPECTED


def test_nothing_is_begun_when_no_worker_gets_free(world: tuple[Shop, Snapshot]) -> None:
    with working(*world, wait_seconds=0.2) as pool, pool.vault():
        started = time.monotonic()
        with pytest.raises(EngineUnavailableError), pool.vault():
            pass
        assert 0.15 < time.monotonic() - started < 2


def test_threads_share_the_workers(world: tuple[Shop, Snapshot]) -> None:
    answers: list[dict[int, int]] = []

    def ask(pool: WorkerPool) -> None:
        with pool.vault() as worker:
            answers.append(_counts(worker.release(COUNT, COUNT.loss)))

    with working(*world, vault_workers=2) as pool:
        threads = [threading.Thread(target=ask, args=(pool,)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert answers == [EXPECTED] * 8


def test_a_swap_serves_the_new_snapshot_and_lets_the_old_worker_finish(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    with working(shop, shop.load()) as pool, pool.vault() as old:
        more = replace(shop, lines=f"{shop.lines} UNION ALL {shop.lines}")
        snapshot = more.load()
        pool.swap(files(shop, snapshot))
        assert pool.snapshot_id == snapshot.id
        with pool.vault() as new:
            assert _counts(new.release(COUNT, COUNT.loss)) == {key: 2 * n for key, n in EXPECTED.items()}
        assert _counts(old.release(COUNT, COUNT.loss)) == EXPECTED
        pid = old.pid
    assert _eventually_gone(pid)


def test_a_snapshot_that_cannot_be_opened_is_not_served(world: tuple[Shop, Snapshot]) -> None:
    with pytest.raises(EngineUnavailableError), working(*world, vault_key="0" * 64):
        pass


def test_closing_ends_every_worker(world: tuple[Shop, Snapshot]) -> None:
    with working(*world) as pool, pool.vault() as worker:
        pid = worker.pid
    assert _eventually_gone(pid)


def test_closing_lets_a_release_under_way_finish(world: tuple[Shop, Snapshot]) -> None:
    held, answers = threading.Event(), []

    def ask(pool: WorkerPool) -> None:
        with pool.vault() as worker:
            held.set()
            time.sleep(0.3)
            answers.append(_counts(worker.release(COUNT, COUNT.loss)))

    with working(*world) as pool:
        thread = threading.Thread(target=ask, args=(pool,))
        thread.start()
        held.wait(30)
    thread.join()
    assert answers == [EXPECTED]


def test_an_exchange_that_was_broken_off_ends_the_worker(
    world: tuple[Shop, Snapshot], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with working(*world) as pool, pool.vault() as worker:
        with monkeypatch.context() as patch:
            patch.setattr(Wire, "receive_reply", interrupted)
            with pytest.raises(KeyboardInterrupt):
                worker.release(COUNT, COUNT.loss)
        assert not worker.alive


_PARENT = """
import sys, time
from pathlib import Path
from tests.queries.vault_world import Shop
from tests.queries.worker_world import working
from queries.vault import current_snapshot
shop = Shop(Path(sys.argv[1]))
with working(shop, current_snapshot(shop.vault, "shop")) as pool, pool.vault() as worker:
    print(worker.pid, flush=True)
    time.sleep(60)
"""


def test_no_worker_outlives_a_parent_that_was_killed(world: tuple[Shop, Snapshot]) -> None:
    command = [sys.executable, "-c", _PARENT, str(world[0].root)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        os.kill(pid, signal.SIGSTOP)  # not even a worker that cannot notice
        parent.kill()
    assert _eventually_gone(pid)
