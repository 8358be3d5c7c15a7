"""``handler-syntax``, ``handler-entry``, ``handler-class``: what the server finds to call in a handler."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.conftest import Command

PYTHON = f"Python {sys.version_info.major}.{sys.version_info.minor}"
SERVICE = """\
class Service:
    def initialize(self, context):
        pass

    def handle(self, data, context):
        return data
"""


def errors(run: Command, text: str, handler: str = "h.py", *more: object) -> list[str]:
    Path("h.py").write_text(text)
    return run("--model-name", "m", "--handler", handler, *more).errors


def clash(handle: str, classes: str) -> str:
    return (
        f"h.py: no function {handle!r} and 2 classes where one may be: {classes}; define {handle}(data, context), "
        "or keep one of them there and move what it needs to another module [handler-entry]"
    )


ENTRY = {
    "nothing": (
        "import os\n",
        "h.py",
        "h.py: no function 'handle' and no class; define handle(data, context) or name another with "
        "--handler h:function [handler-entry]",
    ),
    "nothing-of-that-name": (
        "def run(data, context):\n    return data\n",
        "h.py:predict",
        "h.py: no function 'predict' and no class; define predict(data, context) or name another after the colon "
        "[handler-entry]",
    ),
    "misspelt": (
        "\n\ndef predct(data, context):\n    return data\n",
        "h.py:predict",
        "h.py:3: no function 'predict' and no class; did you mean predct? [handler-entry]",
    ),
    "two-classes": (
        f"class Mode:\n    pass\n\n\n{SERVICE}",
        "h.py",
        clash("handle", "Mode (line 1), Service (line 5)"),
    ),
    "two-classes-and-a-name": (
        f"{SERVICE}\n\nOther = Service\n",
        "h.py:run",
        "h.py: no function 'run' and 2 classes where one may be: Service (line 1), Other (line 9); "
        "remove Other, a second name [handler-entry]",
    ),
    "class-after-the-colon": (
        SERVICE,
        "h.py:Service",
        "h.py:1: 'Service' is a class, and the server would call it as a function; "
        "name the file without :Service; the server takes the only class in it [handler-entry]",
    ),
    "one-of-two-classes": (
        f"{SERVICE}\n\nclass Mode:\n    pass\n",
        "h.py:Service",
        "h.py:1: 'Service' is a class, and the server would call it as a function; "
        "name a function that takes (data, context) [handler-entry]",
    ),
    "async": (
        "async def handle(data, context):\n    return data\n",
        "h.py",
        "h.py:1: 'handle' is async, and the server does not await it; "
        "make it a plain def, or set asyncCommunication in the config file [handler-entry]",
    ),
    "class-that-is-called": (
        "class Rows:\n    def __init__(self, data, context):\n        pass\n",
        "h.py:Rows",
        "h.py:1: 'Rows' is a class, and the server would call it as a function; "
        "name the file without :Rows; the server takes the only class in it [handler-entry]",
    ),
    "one-argument": (
        "def handle(data):\n    return data\n",
        "h.py",
        "h.py:1: handle(data) cannot be called with (data, context); make it handle(data, context) [handler-entry]",
    ),
    "generator": (
        "def handle(data, context):\n    yield data\n",
        "h.py",
        "h.py:1: 'handle' is a generator, and the server wants a list; "
        "return a list with an answer for each request [handler-entry]",
    ),
    "text": (
        "handle = 'predict'\n",
        "h.py",
        "h.py:1: 'handle' is no function; define handle(data, context) [handler-entry]",
    ),
}


@pytest.mark.parametrize(("text", "handler", "expected"), ENTRY.values(), ids=ENTRY)
def test_nothing_that_the_server_can_call(work: Path, run: Command, text: str, handler: str, expected: str) -> None:
    assert errors(run, text, handler) == [expected]


CLASS = {
    "no-initialize": (
        "class Service:\n    def handle(self, data, context):\n        return data\n",
        [
            "h.py:1: class Service has no method 'initialize'; define initialize(self, context) in it "
            "or derive it from BaseHandler [handler-class]"
        ],
    ),
    "neither": (
        "import abc\n\n\nclass Service(abc.ABC):\n    def run(self):\n        pass\n",
        [
            "h.py:4: class Service has no method 'initialize' and no 'handle'; define initialize(self, context) and "
            "handle(self, data, context) in it or derive it from BaseHandler [handler-class]"
        ],
    ),
    "arguments": (
        SERVICE.replace("    def initialize", "    def __init__(self, model):\n        pass\n\n    def initialize", 1),
        [
            "h.py:2: class Service wants arguments: __init__(self, model); "
            "give each a default; the server makes it without any [handler-class]"
        ],
    ),
    "handle-without-context": (
        SERVICE.replace("data, context):", "data):"),
        [
            "h.py:5: handle(self, data) cannot be called with (data, context); "
            "make it handle(self, data, context) [handler-class]"
        ],
    ),
    "async-handle": (
        SERVICE.replace("def handle", "async def handle"),
        [
            "h.py:5: 'handle' is async, and the server does not await it; "
            "make it a plain def, or set asyncCommunication in the config file [handler-class]"
        ],
    ),
    "unknown-base": ("from mine import Base\n\n\nclass Service(Base):\n    pass\n", []),
    "set-elsewhere": ("class Service:\n    def __init__(self):\n        self.handle = self.initialize = print\n", []),
    "handed-over": ("from mine import fill\n\n\nclass Service:\n    pass\n\n\nfill(Service)\n", []),
}


@pytest.mark.parametrize(("text", "expected"), CLASS.values(), ids=CLASS)
def test_the_class_that_the_server_takes(work: Path, run: Command, text: str, expected: list[str]) -> None:
    assert errors(run, text) == expected


BROKEN = {
    "colon": (
        "def handle(data, context)\n    return data\n",
        "1: does not parse with {}: expected ':'; mend this line",
    ),
    "outside": ("return 1\n", "1: does not parse with {}: 'return' outside function; mend this line"),
    "encoding": ("# coding: nonsense\n", " does not parse with {}: unknown encoding: nonsense; mend it"),
    "long-encoding": (
        f"# coding: {'x' * 1000}\n",
        f" does not parse with {{}}: unknown encoding: {'x' * 182}...; mend it",
    ),
}


@pytest.mark.parametrize(("text", "expected"), BROKEN.values(), ids=BROKEN)
def test_a_handler_that_does_not_parse(work: Path, run: Command, text: str, expected: str) -> None:
    assert errors(run, text) == [f"h.py:{expected.format(PYTHON)} [handler-syntax]"]


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="this Python knows it")
@pytest.mark.parametrize(
    "line",
    [
        "type Row = dict[str, str]",
        "def first[T](rows: list[T]) -> T: ...",
        "x = f'{'a'}'",
        "x = f'{a!r:\\n}{\"\\n\".join(b)}'",
    ],
)
def test_what_a_newer_python_understands_is_let_through(work: Path, run: Command, line: str) -> None:
    assert errors(run, f"{line}\n\n\ndef handle(data, context):\n    return data\n") == []


@pytest.mark.parametrize("line", ["# coding: mbcs", "# coding: OEM", "# coding: cp1254-windows", f"x = {'9' * 5000}"])
def test_what_another_system_or_setting_understands_is_let_through(work: Path, run: Command, line: str) -> None:
    assert errors(run, f"{line}\n") == []


@pytest.mark.parametrize(("size", "is_judged"), [(3 << 16, True), ((3 << 16) + 1, False)])
def test_a_long_source_is_not_judged(work: Path, run: Command, size: int, is_judged: bool) -> None:
    assert bool(errors(run, "x = 1\n".ljust(size, "#"))) == is_judged


@pytest.mark.parametrize(("depth", "is_judged"), [(100, True), (200, False)])
def test_a_deep_source_is_not_judged(work: Path, run: Command, depth: int, is_judged: bool) -> None:
    assert bool(errors(run, f"import a\n\nx = a{'.b' * depth}\n")) == is_judged


LONG = "h" * 1000
SHORT = f"{'h' * 80}..."
WORDY = {
    "classes": (
        "".join(f"class C{number}:\n    pass\n" for number in range(8)),
        "h.py: no function 'handle' and 8 classes where one may be: C0 (line 1), C1 (line 3), C2 (line 5), "
        "C3 (line 7), C4 (line 9) and 3 more; define handle(data, context), or keep one of them there and move what "
        "it needs to another module [handler-entry]",
    ),
    "class": (
        f"class {LONG}:\n    initialize = None\n",
        f"h.py:1: class {SHORT} has no method 'handle'; define handle(self, data, context) in it "
        "or derive it from BaseHandler [handler-class]",
    ),
    "arguments": (
        f"def handle({', '.join(f'argument_{number}' for number in range(99))}):\n    pass\n",
        "h.py:1: handle(argument_0, argument_1, argument_2, argument_3, argument_4, argument_5, argument...) cannot be "
        "called with (data, context); make it handle(data, context) [handler-entry]",
    ),
}


@pytest.mark.parametrize(("text", "expected"), WORDY.values(), ids=WORDY)
def test_a_line_stays_short(work: Path, run: Command, text: str, expected: str) -> None:
    assert errors(run, text) == [expected]


def test_a_long_name_after_the_colon_is_shortened(work: Path, run: Command) -> None:
    assert errors(run, "import os\n", f"h.py:{LONG}") == [
        f"h.py: no function {SHORT!r} and no class; define {SHORT}(data, context) or name another after the colon "
        "[handler-entry]"
    ]


def test_what_was_meant_is_looked_for_among_a_few_short_names(work: Path, run: Command) -> None:
    near = "def predct(data, context):\n    return data\n"
    many = "".join(f"def f{number}(): pass\n" for number in range(400))
    assert "did you mean predct?" in errors(run, f"{near}{many}", "h.py:predict")[0]
    assert "did you mean" not in errors(run, f"{many}{near}", "h.py:predict")[0]


def test_async_is_served_where_the_config_file_asks_for_it(work: Path, run: Command) -> None:
    Path("c.yaml").write_text("asyncCommunication: true\n")
    assert errors(run, "async def handle(data, context):\n    return data\n", "h.py", "--config-file", "c.yaml") == []


def test_an_archive_is_judged_like_a_build(work: Path, run: Command) -> None:
    Path("h.py").write_text(CLASS["arguments"][0])
    assert run("--model-name", "m", "--handler", "h.py", "--no-checks").status == 0
    assert run("verify", "m.mar").out.splitlines()[0] == f"error: {CLASS['arguments'][1][0]}"


def test_python2_is_not_judged(work: Path, run_mms: Command) -> None:
    Path("model").mkdir()
    Path("model/service.py").write_text("def handle(data, context):\n    print 'two'\n")
    words = ["--model-name", "m", "--model-path", "model", "--handler", "service", "--force"]
    assert run_mms(*words, "--runtime", "python2").errors == []
    assert run_mms(*words).errors[0].startswith("model/service.py:2: does not parse")


def test_mms_is_told_nothing_of_torchserves_ways(work: Path, run_mms: Command) -> None:
    Path("model").mkdir()
    words = ["--model-name", "m", "--model-path", "model", "--handler", "service", "--force"]
    Path("model/service.py").write_text("async def handle(data, context):\n    return data\n")
    assert run_mms(*words).errors == [
        "model/service.py:1: 'handle' is async, and the server does not await it; make it a plain def [handler-entry]"
    ]
    Path("model/service.py").write_text("class Service:\n    def handle(self, data, context):\n        return data\n")
    assert run_mms(*words).errors == [
        "model/service.py:1: class Service has no method 'initialize'; "
        "define initialize(self, context) in it [handler-class]"
    ]


HOSTILE = {
    "deep-brackets": "handle = " + "(" * 5000 + ")" * 5000,
    "long-chain": "handle = a" + ".b" * 20000,
    "long-sum": "handle = " + "+".join(["1"] * 20000),
    "many-names": "\n".join(f"name_{number} = {number}" for number in range(60000)),
    "many-branches": "\n".join(f"if a{number}: b{number} = {number}" for number in range(20000)),
    "nested-loops": "\n".join(" " * depth + "for x in y:" for depth in range(20)) + "\n" + " " * 20 + "z = x",
    "nested-calls": "handle = " + "f(" * 90 + ")" * 90,
    "null-bytes": "\0" * 1000,
}


@pytest.mark.timeout(20)
@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_source_is_judged_in_bounded_time(work: Path, run: Command, text: str) -> None:
    result = errors(run, f"{text}\n")
    assert all("[handler-" in error for error in result)


def test_the_source_is_never_run(work: Path, run: Command) -> None:
    assert errors(run, "open('ran', 'w')\ndef handle(data, context):\n    return data\nraise SystemExit\n") == []
    assert not Path("ran").exists()


def test_a_class_that_may_give_a_list_is_let_through(work: Path, run: Command) -> None:
    text = "class Rows(list):\n    def __init__(self, data, context):\n        super().__init__(data or [])\n"
    assert errors(run, text, "h.py:Rows") == []


@pytest.mark.parametrize("base", ["", "(BaseHandler)"])
def test_an_initialize_that_cannot_be_called(work, run: Command, run_mms: Command, base: str) -> None:
    text = "from ts.torch_handler.base_handler import BaseHandler\n\n\n" if base else ""
    text += f"class Mine{base}:\n    def initialize(self):\n        pass\n\n"
    text += "    def handle(self, data, context):\n        return data\n"
    line = text[: text.index("def init")].count("\n") + 1
    message = f"h.py:{line}: initialize(self) cannot be called with (context); make it initialize(self, context)"
    assert errors(run, text) == [f"{message} [handler-class]"]
    assert errors(run, text.replace("(self)", "(self, context, *more)")) == []
    if not base:  # Multi Model Server goes on without it
        (work / "d").mkdir()
        (work / "d" / "h.py").write_text(text)
        assert run_mms("--model-name", "m", "--model-path", "d", "--handler", "h", "-f", "--strict").status == 0


@pytest.mark.parametrize(
    "made",
    ["bind(self)", "self.set_up()", "bound.append(self)", "bind(of=self)", "object.__setattr__(self, 'handle', bind)"],
)
def test_an_instance_that_is_handed_over_may_get_its_methods_there(work, run: Command, made: str) -> None:
    text = "from elsewhere import bind, bound\n\n\nclass Mine:\n    def __init__(self):\n"
    text += f"        {made}\n\n    def set_up(self):\n        bind(self)\n\n    def initialize(self):\n        pass\n"
    assert errors(run, text) == []


def test_an_instance_that_its_base_makes_is_judged(work, run: Command) -> None:
    text = (
        "from ts.torch_handler.base_handler import BaseHandler\n\n\nclass Mine(BaseHandler):\n    def __init__(self):\n"
    )
    text += "        BaseHandler.__init__(self)\n        super(Mine, self).__init__()\n\n    def initialize(self):\n"
    assert len(errors(run, f"{text}        pass\n")) == 1
