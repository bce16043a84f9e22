"""Names of tables and addresses from the names of classes: `OrderLine` -> `order_lines`."""

import re

_BORDER = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_IRREGULAR = {
    "child": "children",
    "criterion": "criteria",
    "datum": "data",
    "foot": "feet",
    "goose": "geese",
    "half": "halves",
    "knife": "knives",
    "leaf": "leaves",
    "life": "lives",
    "man": "men",
    "mouse": "mice",
    "ox": "oxen",
    "person": "people",
    "phenomenon": "phenomena",
    "quiz": "quizzes",
    "self": "selves",
    "shelf": "shelves",
    "tooth": "teeth",
    "wife": "wives",
    "wolf": "wolves",
    "woman": "women",
}
_SAME = frozenset(
    ("data", "deer", "equipment", "feedback", "fish", "information", "metadata")
) | {"money", "news", "series", "sheep", "software", "species", "staff", "weather"}
_OES = frozenset(("echo", "embargo", "hero", "potato", "tomato", "torpedo", "veto"))
_HISSES = ("s", "x", "z", "ch", "sh")


def snake_case(name: str) -> str:
    """`HTTPServer` -> `http_server`."""
    return _BORDER.sub("_", name).lower()


def plural(name: str) -> str:
    """The plural of an English noun in snake case; only its last word changes."""
    first, joint, last = name.rpartition("_")
    return first + joint + _plural_word(last)


def _plural_word(word: str) -> str:
    if word in _SAME:
        return word
    for singular, many in _IRREGULAR.items():
        # `salesperson`, `postman`; `human` and `roman` are no men.
        if word == singular or (len(singular) > 3 and word.endswith(singular)):
            return word.removesuffix(singular) + many
    if word.endswith("sis"):
        return word.removesuffix("is") + "es"
    if word.endswith(_HISSES) or word in _OES:
        return word + "es"
    if word.endswith("y") and word[-2:-1] not in "aeiou":
        return word.removesuffix("y") + "ies"
    return word + "s"
