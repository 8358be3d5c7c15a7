"""What ``--help`` prints for packaging, on one screen; ``help --all`` prints every flag."""

from __future__ import annotations

_COMMANDS = """\
commands, each with its own --help:
  inspect   show what an archive is and what it holds
  verify    check archives completely, as the server reads them
  extract   unpack an archive into a model folder
  diff      show what differs between two archives
  test      send requests to a model in the server's own worker, without Java
  build     build many models, which a file lists
  explain   explain the code of an error, such as file-missing
  completion, help, version"""

TORCH_HELP = f"""\
usage: torch-model-archiver --model-name NAME [flags]
       torch-model-archiver COMMAND [flags]

Package a trained model as one archive that TorchServe can serve.

model:
  --model-name NAME             its name on the server (required)
  --serialized-file FILE        the weights: state_dict, TorchScript, ONNX, ...
  --model-file FILE             the Python file that defines the model's class
  --handler HANDLER             a built-in handler, or a Python file
  --extra-files PATHS           comma-separated files and folders
  -r, --requirements-file FILE  the model's Python requirements
  -c, --config-file FILE        the model's configuration, YAML
  -v, --version VERSION         the model's version (default: 1.0)

output:
  --export-path DIR             the output's folder (default: current folder)
  --archive-format FORMAT       default, zip-store, tgz or no-archive
  -f, --force                   replace existing output
  --dry-run                     print what would be packed, and write nothing
  --test                        run the model first; write it only if it works

{_COMMANDS}

examples:
  torch-model-archiver --model-name digits --model-file model.py \\
      --serialized-file digits.pt --handler handler.py
  torch-model-archiver --model-name net --serialized-file torchscript.pt -f
  torch-model-archiver test digits.mar --input sample.json

All flags: torch-model-archiver help --all
"""

MMS_HELP = f"""\
usage: model-archiver --model-name NAME --model-path DIR --handler H [flags]
       model-archiver COMMAND [flags]

Package a model's folder as one archive that Multi Model Server can serve.

model:
  --model-name NAME        its name on the server (required)
  --model-path DIR         the folder to pack, with its tree (required)
  --handler HANDLER        a module of the folder: module:function (required)
  --runtime RUNTIME        python, python2 or python3 (default: python)
  -v, --version VERSION    the model's version (default: 1.0)

output:
  --export-path DIR        the output's folder (default: current folder)
  --archive-format FORMAT  default, zip-store, tgz or no-archive
  -f, --force              replace existing output
  --dry-run                print what would be packed, and write nothing
  --test                   run the model first; write it only if it works

{_COMMANDS}

examples:
  model-archiver --model-name iris --model-path iris --handler service:handle
  model-archiver --model-name iris --model-path iris --handler service -f --test
  model-archiver verify iris.mar

All flags: model-archiver help --all
"""
