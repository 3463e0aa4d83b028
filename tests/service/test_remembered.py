"""What was worked out before comes back; what is too large is worked out again."""

from service.remembered import Remembered


def test_only_what_is_kept_is_remembered() -> None:
    texts = Remembered[int, str](2, lambda text: len(text) < 3)
    assert [texts.get(1, lambda: "a"), texts.get(1, lambda: "b")] == ["a", "a"]
    assert [texts.get(2, lambda: "long"), texts.get(2, lambda: "longer")] == ["long", "longer"]
    assert texts.get(1, lambda: "c") == "a"


def test_what_was_used_longest_ago_is_forgotten_first() -> None:
    texts = Remembered[int, str](2)
    for number in (1, 2, 1, 3):
        texts.get(number, lambda: "first")
    assert [texts.get(number, lambda: "second") for number in (1, 3, 2)] == ["first", "first", "second"]
