"""Answers and truth are compared group by group."""

from benchmarks.errors import aligned
from benchmarks.questions import Question

Answers = list[list[dict[str, object]]]
SUMS = Question("Q", "sums", ("a", "b"), "SUM(x)", "t", 1.0, 100, "SUM(x)")
MEANS = Question("Q", "means", ("a",), "AVG(x)", "t", 1.0, 100)


def test_a_sum_over_a_key_without_rows_is_zero() -> None:
    answers: Answers = [[{"a": 1, "b": "x", "answer": 5.0}, {"a": 2, "b": None, "answer": -1.0}]]
    truth, found = aligned(SUMS, [[1, "x", 700]], answers)
    assert truth == [7.0, 0.0]
    assert found == [[5.0, -1.0]]


def test_a_group_that_an_answer_lacks_is_left_out() -> None:
    answers: Answers = [
        [{"a": 1, "answer": 2.0}, {"a": 2, "answer": 3.0}],
        [{"a": 1, "answer": 4.0}, {"a": 2, "answer": None}],
    ]
    truth, found = aligned(MEANS, [[1, 300], [2, 300]], answers)
    assert truth == [3.0]
    assert found == [[2.0], [4.0]]


def test_a_mean_of_no_rows_has_no_true_value() -> None:
    assert aligned(MEANS, [[1, None]], [[{"a": 1, "answer": 2.0}]]) == ([], [[]])
