"""Which handlers certainly load a model file as TorchServe does: only those of them are held to its rules."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import Command

TWO_CLASSES = "class Block:\n    pass\n\n\nclass Net:\n    pass\n"
REFUSED = (
    "net.py: defines 2 classes, and the server takes a single one: Block (line 1), Net (line 5); "
    "keep the model there and move the others to a module that it imports [model-file-class]"
)
IMPORT = "from ts.torch_handler.base_handler import BaseHandler\n"


def derived(body: str, base: str = "BaseHandler", before: str = "") -> str:
    lines = "".join(f"    {line}\n" for line in body.split("\n"))
    return f"{IMPORT}import logging\nimport os\nimport torch\n{before}\nclass Handler({base}):\n{lines}"


def initialize(body: str) -> str:
    return derived("def initialize(self, context):\n" + "\n".join(f"    {line}" for line in body.split("\n")))


FOLLOWS = {
    "no-initialize": derived("def preprocess(self, data):\n    return data"),
    "nothing-of-its-own": derived("pass"),
    "super": initialize("super().initialize(context)\nself.initialized = True"),
    "super-with-names": initialize("super(Handler, self).initialize(context)"),
    "super-with-a-keyword": initialize("super().initialize(context=context)"),
    "the-class-itself": initialize("BaseHandler.initialize(self, context)"),
    "given-to-a-name": initialize("done = super().initialize(context)"),
    "in-a-with": initialize("with torch.no_grad:\n    super().initialize(context)"),
    "after-plain-statements": initialize(
        '"""Loads."""\nlogging.info("loading")\nproperties = context.system_properties\n'
        'self.root = properties.get("model_dir")\nself.path = os.path.join(self.root, "x")\nsuper().initialize(context)'
    ),
    "own-init": derived("def __init__(self):\n    super().__init__()\n    self.threshold = 0.5"),
    "vision": "from ts.torch_handler.vision_handler import VisionHandler\nclass Handler(VisionHandler):\n    pass\n",
    "classifier-of-a-module": (
        "from ts.torch_handler import image_classifier\nclass Handler(image_classifier.ImageClassifier):\n    pass\n"
    ),
    "module-alias": "import ts.torch_handler.base_handler as b\nclass Handler(b.BaseHandler):\n    pass\n",
    "name-alias": (
        "from ts.torch_handler.object_detector import ObjectDetector as Base\nOther = Base\nclass H(Other): pass\n"
    ),
    "whole-path": "import ts.torch_handler.base_handler\nclass H(ts.torch_handler.base_handler.BaseHandler): pass\n",
    "densenet": "from ts.torch_handler.densenet_handler import DenseNetHandler\nclass Handler(DenseNetHandler): pass\n",
    "with-abc": derived("pass", "BaseHandler, abc.ABC", "import abc\n"),
    "re-exported": "from ts.torch_handler.vision_handler import BaseHandler\nclass Handler(BaseHandler): pass\n",
    "a-logger": derived("pass", before="logger = logging.getLogger(__name__)\nlogger.info('loaded')\n"),
}

IS_FREE = {
    "own-initialize": initialize("self.model = None"),
    "loads-itself": derived("def _load_pickled_model(self, model_dir, model_file, model_pt_path):\n    return None"),
    "loads-itself-by-attribute": derived(
        "def __init__(self):\n    super().__init__()\n    self._load_pickled_model = lambda *arguments: None"
    ),
    "super-in-an-if": initialize("if context:\n    super().initialize(context)"),
    "super-in-a-try": initialize("try:\n    super().initialize(context)\nexcept Exception:\n    pass"),
    "super-after-a-return": initialize("if not context:\n    return\nsuper().initialize(context)"),
    "super-in-a-function": initialize("def load():\n    super(Handler, self).initialize(context)"),
    "super-of-another-class": initialize("super(BaseHandler, self).initialize(context)"),
    "another-context": initialize("super().initialize(self.context)"),
    "context-made-anew": initialize("context = None\nsuper().initialize(context)"),
    "manifest-changed": initialize('context.manifest["model"].pop("modelFile")\nsuper().initialize(context)'),
    "manifest-named": initialize("self.manifest = context.manifest\nsuper().initialize(context)"),
    "files-made-before": initialize('download("net.py")\nsuper().initialize(context)'),
    "folder-changed": initialize('context.system_properties["model_dir"] = "/"\nsuper().initialize(context)'),
    "files-made-in-init": derived('def __init__(self):\n    super().__init__()\n    os.system("cp a net.py")'),
    "files-made-at-import": derived("pass", before='os.system("cp a net.py")\n'),
    "unknown-base": "from mine import BaseHandler\nclass Handler(BaseHandler):\n    pass\n",
    "unknown-mixin": derived("pass", "Mixin, BaseHandler", "from mine import Mixin\n"),
    "fallback-base": (
        f"try:\n    {IMPORT}except ImportError:\n    from mine import BaseHandler\nclass H(BaseHandler):\n    pass\n"
    ),
    "base-of-a-relative-module": "from .base_handler import BaseHandler\nclass Handler(BaseHandler): pass\n",
    "a-function-is-there": derived("pass") + "\ndef handle(data, context):\n    return data\n",
    "class-decorated": derived("pass").replace("\nclass", "\n@torch.compile\nclass"),
    "initialize-decorated": derived(
        "@torch.no_grad()\ndef initialize(self, context):\n    super().initialize(context)"
    ),
    "initialize-async": derived("async def initialize(self, context):\n    super().initialize(context)"),
    "metaclass": derived("pass", "BaseHandler, metaclass=torch.Meta"),
    "getattribute": derived("def __getattribute__(self, name):\n    return None"),
    "patched-class": derived("pass") + "\nHandler.initialize = print\n",
    "patched-base": derived("pass", before="BaseHandler._load_pickled_model = print\n"),
    "patched-torch": derived("pass", before="torch.load = print\n"),
    "set-by-setattr": derived("pass", before="setattr(BaseHandler, 'initialize', print)\n"),
    "conditional-class": f"{IMPORT}if len('a'):\n    class Handler(BaseHandler):\n        pass\n",
}


def package(run: Command, source: str) -> list[str]:
    Path("h.py").write_text(source)
    Path("net.py").write_text(TWO_CLASSES)
    return held(run, "--handler", "h.py", "--model-file", "net.py")


def held(run: Command, *words: str) -> list[str]:
    return [error for error in run("--model-name", "m", *words).errors if "[model-file-" in error]


@pytest.mark.parametrize("source", FOLLOWS.values(), ids=FOLLOWS)
def test_what_follows_is_held_to_the_servers_rules(work: Path, run: Command, source: str) -> None:
    assert package(run, source) == [REFUSED]


@pytest.mark.parametrize("source", IS_FREE.values(), ids=IS_FREE)
def test_what_may_do_otherwise_is_free(work: Path, run: Command, source: str) -> None:
    assert package(run, source) == []


def test_a_packed_ts_is_not_the_servers(work: Path, run: Command) -> None:
    Path("src/ts").mkdir(parents=True)
    Path("src/ts/__init__.py").write_text("")
    Path("h.py").write_text(FOLLOWS["no-initialize"])
    Path("net.py").write_text(TWO_CLASSES)
    assert held(run, "--handler", "h.py", "--model-file", "net.py", "--include", "src/ts") == []
