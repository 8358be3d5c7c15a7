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
    "nothing-of-its-own": derived(),
    "super": initialize("super().initialize(context)\nself.initialized = True"),
    "super-with-a-keyword": initialize("super().initialize(context=context)"),
    "the-class-itself": initialize("BaseHandler.initialize(self, context)"),
    "assigned": initialize("done = super().initialize(context)"),
    "after-plain-statements": initialize(
        '"""Loads."""\nlogging.info("loading")\nproperties = context.system_properties\n'
        'self.root = properties.get("model_dir")\nself.path = os.path.join(self.root, "x")\nsuper().initialize(context)'
    ),
    "own-init": derived("def __init__(self):\n    super().__init__()\n    self.threshold = 0.5"),
    "base-init": derived("def __init__(self):\n    BaseHandler.__init__(self)"),
    "vision": "from ts.torch_handler.vision_handler import VisionHandler\nclass Handler(VisionHandler):\n    pass\n",
    "module": "from ts.torch_handler import image_classifier\nclass Handler(image_classifier.ImageClassifier): pass\n",
    "module-alias": "import ts.torch_handler.base_handler as b\nclass Handler(b.BaseHandler):\n    pass\n",
    "whole-path": "import ts.torch_handler.base_handler\nclass H(ts.torch_handler.base_handler.BaseHandler): pass\n",
    "densenet": "from ts.torch_handler.densenet_handler import DenseNetHandler\nclass H(DenseNetHandler): pass\n",
    "with-abc": derived("pass", "BaseHandler, abc.ABC", "import abc\n"),
    "a-logger": derived(before="logger = logging.getLogger(__name__)\nlogger.info('loaded')\n"),
}
IS_FREE = {
    "own-initialize": initialize("self.model = None"),
    "loads-itself": derived("def _load_pickled_model(self, model_dir, model_file, model_pt_path): ..."),
    "loads-by-attribute": derived("def __init__(self):\n    super().__init__()\n    self._load_pickled_model = print"),
    "super-in-an-if": initialize("if context:\n    super().initialize(context)"),
    "super-in-a-with": initialize("with torch.no_grad:\n    super().initialize(context)"),
    "super-in-a-try": initialize("try:\n    super().initialize(context)\nexcept Exception:\n    pass"),
    "super-after-a-return": initialize("if not context:\n    return\nsuper().initialize(context)"),
    "super-of-another-class": initialize("super(BaseHandler, self).initialize(context)"),
    "another-context": initialize("super().initialize(self.context)"),
    "new-context": initialize("context = None\nsuper().initialize(context)"),
    "manifest-changed": initialize('context.manifest["model"].pop("modelFile")\nsuper().initialize(context)'),
    "manifest-named": initialize("self.manifest = context.manifest\nsuper().initialize(context)"),
    "file-made-in-init": derived('def __init__(self):\n    super().__init__()\n    os.system("cp a net.py")'),
    "file-made-at-import": derived(before='os.system("cp a net.py")\n'),
    "unknown-base": "from mine import BaseHandler\nclass Handler(BaseHandler):\n    pass\n",
    "unknown-mixin": derived("pass", "Mixin, BaseHandler", "from mine import Mixin\n"),
    "relative-module": "from .base_handler import BaseHandler\nclass Handler(BaseHandler): pass\n",
    "a-function-is-there": derived() + "\ndef handle(data, context): ...\n",
    "class-decorated": derived().replace("\nclass", "\n@torch.compile\nclass"),
    "decorated": derived("@torch.no_grad()\ndef initialize(self, context):\n    super().initialize(context)"),
    "async": derived("async def initialize(self, context):\n    super().initialize(context)"),
    "metaclass": derived("pass", "BaseHandler, metaclass=torch.Meta"),
    "getattribute": derived("def __getattribute__(self, name): ..."),
    "patched-torch": derived(before="torch.load = print\n"),
    "patched-by-mock": derived(before="from unittest.mock import patch\npatch('torch.load', print).start()\n"),
    "environment": derived(before="os.environ['TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD'] = '1'\n"),
    "setattr": derived(before="setattr(BaseHandler, 'initialize', print)\n"),
    "conditional-class": f"{IMPORT}if len('a'):\n    class Handler(BaseHandler):\n        pass\n",
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
