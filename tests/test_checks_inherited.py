"""Which handlers certainly load a model file as TorchServe does: only those must keep its rules."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import Command

IMPORT = "from ts.torch_handler.base_handler import BaseHandler\n"


def derived(body: str = "pass", base: str = "BaseHandler", before: str = "") -> str:
    """Return a handler whose class derives from one of TorchServe's."""
    lines = "".join(f"    {line}\n" for line in body.split("\n"))
    return f"{IMPORT}import logging\nimport os\nimport torch\n{before}\nclass Handler({base}):\n{lines}"


def initialize(body: str) -> str:
    """Return a handler with an `initialize`."""
    return derived("def initialize(self, context):\n" + "\n".join(f"    {line}" for line in body.split("\n")))


INHERITS = {
    "no-initialize": derived("def preprocess(self, data):\n    return data"),
    "super": initialize("super().initialize(context)\nself.initialized = True"),
    "super-with-a-keyword": initialize("super().initialize(context=context)"),
    "super-of-python-2": initialize("super(Handler, self).initialize(context)"),
    "after-a-docstring": initialize('"""Loads."""\nsuper().initialize(context)\nself.ready = True'),
    "own-init": derived("def __init__(self):\n    super().__init__()\n    self.threshold = 0.5"),
    "vision": "from ts.torch_handler.vision_handler import VisionHandler\nclass Handler(VisionHandler):\n    pass\n",
    "module": "from ts.torch_handler import image_classifier\nclass Handler(image_classifier.ImageClassifier): pass\n",
    "densenet": "from ts.torch_handler.densenet_handler import DenseNetHandler\nclass H(DenseNetHandler): pass\n",
    "a-logger": derived(before="logger = logging.getLogger(__name__)\nlogger.info('loaded')\n"),
}
IS_FREE = {
    "the-class-itself": initialize("BaseHandler.initialize(self, context)"),
    "after-plain-statements": initialize("properties = context.system_properties\nsuper().initialize(context)"),
    "only-a-docstring": initialize('"""Loads."""'),
    "init-that-calls": derived("def __init__(self):\n    super().__init__()\n    self.paths = os.listdir('.')"),
    "init-that-patches": derived("def __init__(self):\n    super().__init__()\n    torch.load = print"),
    "own-initialize": initialize("self.model = None"),
    "loads-itself": derived("def _load_pickled_model(self, model_dir, model_file, model_pt_path): ..."),
    "super-in-an-if": initialize("if context:\n    super().initialize(context)"),
    "super-in-a-try": initialize("try:\n    super().initialize(context)\nexcept Exception:\n    pass"),
    "new-context": initialize("context = None\nsuper().initialize(context)"),
    "manifest-changed": initialize('context.manifest["model"].pop("modelFile")\nsuper().initialize(context)'),
    "file-made-at-import": derived(before='os.system("cp a net.py")\n'),
    "unknown-base": "from mine import BaseHandler\nclass Handler(BaseHandler):\n    pass\n",
    "unknown-mixin": derived("pass", "Mixin, BaseHandler", "from mine import Mixin\n"),
    "a-function-is-there": derived() + "\ndef handle(data, context): ...\n",
    "decorated": derived("@torch.no_grad()\ndef initialize(self, context):\n    super().initialize(context)"),
    "patched-torch": derived(before="torch.load = print\n"),
    "environment": derived(before="os.environ['TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD'] = '1'\n"),
    "setattr": derived(before="setattr(BaseHandler, 'initialize', print)\n"),
    "mock-patch": derived(before="from unittest import mock\nmock.patch('torch.load', print).start()\n"),
    "metaclass": derived(base="BaseHandler, metaclass=Meta", before="class Meta(type):\n    pass\n"),
    "async": derived("async def initialize(self, context):\n    super().initialize(context)"),
    "getattribute": derived("def __getattribute__(self, name):\n    return print"),
    "super-of-another-class": initialize("super(BaseHandler, self).initialize(context)"),
}


def is_held(run: Command, source: str, *more: str) -> bool:
    """Return whether a handler with a model file of two classes is rejected."""
    Path("h.py").write_text(source)
    Path("net.py").write_text("class Block:\n    pass\n\n\nclass Net:\n    pass\n")
    errors = run("--model-name", "m", "--handler", "h.py", "--model-file", "net.py", *more).errors
    return any("[model-file-class]" in error for error in errors)


@pytest.mark.parametrize("source", INHERITS.values(), ids=INHERITS)
def test_what_inherits_must_keep_the_rules(work: Path, run: Command, source: str) -> None:
    assert is_held(run, source)


@pytest.mark.parametrize("source", IS_FREE.values(), ids=IS_FREE)
def test_what_may_load_differently_is_free(work: Path, run: Command, source: str) -> None:
    assert not is_held(run, source)


def test_a_packed_ts_is_not_the_one_of_the_server(work: Path, run: Command) -> None:
    Path("src/ts").mkdir(parents=True)
    Path("src/ts/__init__.py").write_text("")
    assert not is_held(run, derived(), "--include", "src/ts")
