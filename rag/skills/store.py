"""Skills on disk: those that ship inside the package, and the user's own, which come first.

    skills/<name>-<fingerprint prefix>/    adapter_model.safetensors  adapter_config.json  skill.json

A folder is whole or absent, whenever a process is killed. Training a skill again replaces its folder: the new one is
complete before the old one goes.
"""

from __future__ import annotations

import errno
import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from rag.core.errors import SkillError, StorageError
from rag.core.process.files import write_folder_atomically
from rag.core.process.locks import writer_lock
from rag.library.adapter_folders import CONFIG, WEIGHTS
from rag.models.cache import models_folder
from rag.skills.card import CARD, SkillCard, read_card

if TYPE_CHECKING:
    from torch import Tensor

    from rag.generation.adapters.packed import PackedTensors

_PARTIAL, _OLD = ".partial-", ".old-"


@dataclass(frozen=True)
class Skill:
    """A skill on disk.

    Attributes:
        folder: where it lies.
        card: what it is.
        is_shipped: it came with the package, and cannot be removed.
    """

    folder: Path
    card: SkillCard
    is_shipped: bool = False

    @property
    def size_bytes(self) -> int:
        """Size of its files."""
        return sum(file.stat().st_size for file in self.folder.iterdir() if file.is_file())


def skills_folder(cache_dir: Path | None) -> Path:
    """Where the user's skills are kept: beside the models."""
    return models_folder(cache_dir).with_name("skills")


def shipped_folder() -> Path:
    """Where the skills lie that came with the package."""
    return Path(str(files("rag.skills"))) / "shipped"


def open_skill(folder: Path) -> Skill:
    """The skill in a folder.

    Raises:
        SkillError: there is none, or it is damaged.
    """
    return Skill(folder, read_card(folder))


class SkillStore:
    """The skills of this machine, for any number of processes.

    Args:
        folder: the user's skills; made when the first is saved.
        shipped: those of the package.
    """

    def __init__(self, folder: Path, shipped: Path | None = None) -> None:
        self.folder = folder
        self._shipped = shipped_folder() if shipped is None else shipped

    @property
    def stamp(self) -> int:
        """Changes when a skill is saved or removed."""
        return self.folder.stat().st_mtime_ns if self.folder.is_dir() else 0

    def ls(self) -> list[Skill]:
        """Every skill whose card can be read, the user's first; :meth:`damaged` lists the others."""
        self._finish_replacing()
        return [skill for folder, is_shipped in self._folders() if (skill := _find(folder, is_shipped)) is not None]

    def damaged(self) -> list[Path]:
        """The folders without a readable card."""
        return [folder for folder, is_shipped in self._folders() if _find(folder, is_shipped) is None]

    def save(self, tensors: Mapping[str, tuple[Tensor, Tensor]], card: SkillCard) -> Skill:
        """Write a skill whole or not at all; an older one of this name and model is replaced.

        Args:
            tensors: by layer, ``A [r, in]`` and ``B [out, r]``, all scales multiplied in.
            card: what the skill is; ``rank``, ``modules`` and ``sha256`` are filled in here.

        Returns:
            The skill as it was written.

        Raises:
            StorageError: the disk is full, or cannot be written.
        """
        contents, written = skill_files(tensors, card)
        folder = self.folder / card.key
        with _as_storage_error(folder), writer_lock(self.folder):
            self._clean()
            self._replace(folder, contents)
        return Skill(folder, written)

    def remove(self, names: Sequence[str]) -> list[str]:
        """Remove the user's skills by key (``reader-24df5af1``), or by name where one skill has it.

        Returns:
            Their keys.

        Raises:
            SkillError: a name fits no skill, several, or one that ships; nothing is removed then.
        """
        folders = list(dict.fromkeys(self._match(name).folder for name in names))
        with _as_storage_error(self.folder), writer_lock(self.folder):
            for folder in folders:
                _discard(folder)
        return [folder.name for folder in folders]

    def inspect(self, name: str) -> Skill:
        """One skill by key, by name, or by its folder, its weights checked.

        Raises:
            SkillError: there is none, several have the name, or it is damaged.
        """
        skill = open_skill(Path(name)) if is_path(name) else self._match(name, removable=False)
        check_weights(skill)
        return skill

    def _match(self, name: str, *, removable: bool = True) -> Skill:
        skills = self.ls()
        fitting = [skill for skill in skills if skill.folder.name == name]
        fitting = fitting or [skill for skill in skills if skill.card.name == name]
        if removable and fitting and all(skill.is_shipped for skill in fitting):
            raise SkillError(f"skill {name!r} came with the package and stays; skill='none' answers without it")
        chosen = [skill for skill in fitting if not (removable and skill.is_shipped)]
        if not removable and len({skill.folder.name for skill in chosen}) == 1:
            chosen = chosen[:1]  # the user's, which is used before the one that ships
        if len(chosen) != 1:
            keys = ", ".join(sorted({skill.folder.name for skill in chosen}))
            hint = f"several skills have this name: {keys}" if chosen else "'concord skill ls' lists them"
            raise SkillError(f"there is no single skill {name!r}; {hint}")
        return chosen[0]

    def _folders(self) -> Iterator[tuple[Path, bool]]:
        for parent, is_shipped in ((self.folder, False), (self._shipped, True)):
            if parent.is_dir():
                yield from ((path, is_shipped) for path in sorted(parent.iterdir()) if _is_skill_folder(path))

    def _replace(self, folder: Path, contents: Mapping[str, bytes]) -> None:
        """Write beside the old folder, move that away, move the new one in. The caller holds the lock."""
        staged = folder.with_name(f"{_PARTIAL}{folder.name}")
        old = folder.with_name(f"{_OLD}{folder.name}")
        write_folder_atomically(staged, contents, prefix=f"{_PARTIAL}tmp-")
        if folder.is_dir():
            folder.rename(old)
        staged.rename(folder)
        shutil.rmtree(old, ignore_errors=True)

    def _finish_replacing(self) -> None:
        """After a kill between the two moves: put the old skill back."""
        if self.folder.is_dir() and any(self.folder.glob(f"{_OLD}*")):
            with _as_storage_error(self.folder), writer_lock(self.folder):
                self._clean()

    def _clean(self) -> None:
        for old in self.folder.glob(f"{_OLD}*"):
            folder = old.with_name(old.name.removeprefix(_OLD))
            if folder.is_dir():
                shutil.rmtree(old, ignore_errors=True)
            else:
                old.rename(folder)
        for partial in self.folder.glob(f"{_PARTIAL}*"):
            shutil.rmtree(partial, ignore_errors=True)


def skill_files(tensors: Mapping[str, tuple[Tensor, Tensor]], card: SkillCard) -> tuple[dict[str, bytes], SkillCard]:
    """The files of a skill's folder by name, and the card with what only the tensors tell."""
    from rag.generation.adapter_folder import adapter_files

    contents = adapter_files(tensors, card.base_name)
    written = replace(
        card,
        rank=max(a.shape[0] for a, _ in tensors.values()),
        modules=tuple(sorted({layer.rpartition(".")[2] for layer in tensors})),
        sha256=hashlib.sha256(contents[WEIGHTS]).hexdigest(),
    )
    return contents | {CARD: written.to_json().encode()}, written


def read_tensors(skill: Skill) -> tuple[PackedTensors, str]:
    """A skill's tensors, scales multiplied in, and the SHA-256 of its weights and settings.

    Raises:
        SkillError: a file is missing, damaged, or differs from what the card says.
    """
    from rag.generation.adapter_folder import parse_adapter

    try:
        weights, config = (skill.folder / WEIGHTS).read_bytes(), (skill.folder / CONFIG).read_bytes()
        digest = hashlib.sha256(weights).hexdigest()
        if skill.card.sha256 and digest != skill.card.sha256:
            raise ValueError("its weights differ from those that were written")
        tensors = parse_adapter(weights, json.loads(config))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        reason = f"the skill {skill.folder.name} is damaged: {error}"
        raise SkillError(f"{reason}; train it again, or answer without it: skill='none'") from error
    return tensors, hashlib.sha256(weights + config).hexdigest()


def check_weights(skill: Skill) -> None:
    """Read a skill's weights.

    Raises:
        SkillError: they are missing or damaged.
    """
    read_tensors(skill)


def is_path(name: str) -> bool:
    """Whether a skill is named by its folder: a path has a separator, a name has none."""
    return "/" in name or "\\" in name or name.startswith(("~", "."))


def _is_skill_folder(path: Path) -> bool:
    return path.is_dir() and not path.name.startswith((".", "_"))


def _find(folder: Path, is_shipped: bool) -> Skill | None:
    try:
        return Skill(folder, read_card(folder), is_shipped)
    except SkillError:
        return None


def _discard(folder: Path) -> None:
    trash = folder.with_name(f"{_PARTIAL}{folder.name}")
    shutil.rmtree(trash, ignore_errors=True)
    folder.rename(trash)
    shutil.rmtree(trash, ignore_errors=True)


@contextmanager
def _as_storage_error(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        what = "the disk is full" if error.errno == errno.ENOSPC else error.strerror or str(error)
        raise StorageError(f"cannot write skill {folder.name}: {what}; the skills of before are unchanged") from error
