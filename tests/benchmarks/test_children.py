"""What the kernel tells of a process is read right."""

import os
from pathlib import Path

import duckdb

from benchmarks.children import Child, children_of, cpu_seconds, peak_mib


def test_the_peak_is_read_in_mib() -> None:
    assert peak_mib("Name:\tx\nVmPeak:\t  9 kB\nVmHWM:\t  2048 kB\nVmRSS:\t 1 kB\n") == 2.0
    assert peak_mib("Name:\tkernel thread\n") == 0.0


def test_processor_time_is_that_of_user_and_kernel_mode_whatever_the_process_is_called() -> None:
    ticks = os.sysconf("SC_CLK_TCK")
    fields = ["S", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10"]
    stat = f"12 (a) b) {' '.join(fields)} {3 * ticks} {2 * ticks} 99 99"
    assert cpu_seconds(stat) == 5.0


def test_a_child_answers_is_weighed_and_ends(tmp_path: Path) -> None:
    file = str(tmp_path / "empty.duckdb")
    duckdb.connect(file).close()
    with Child("benchmarks.plain_process", [file, "1"]) as child:
        assert child.ask(sql="SELECT 1, 'x', 2.50, NULL", rows=True)["rows"] == [[1, "x", "2.50", None]]
        assert child.ask(sql="SELECT 1", rows=False)["rows"] == []
        assert child.peaks_mib()[0] > 1
        assert child.cpu_seconds()[0] > 0
        found = children_of(os.getpid())
    assert len(set(found) - set(children_of(os.getpid()))) == 1
