"""vLLM's worker, whose results carry the traces of pairs to the scheduler."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vllm.platforms import current_platform
from vllm.v1.outputs import AsyncModelRunnerOutput, ModelRunnerOutput

from decoders.trace import StepTrace
from decoders.vllm_plugin.adapters import mend
from decoders.vllm_plugin.outbox import OUTBOX, Key, Letter

if TYPE_CHECKING or not current_platform.is_cpu():
    from vllm.v1.worker.gpu_worker import Worker
else:
    from vllm.v1.worker.cpu_worker import CPUWorker as Worker

    mend()

# vLLM's result of a step is an ordinary object that is pickled whole: an attribute more travels with it.
_ATTRIBUTE = "concord_traces"


class PairWorker(Worker):
    """The class to name as ``--worker-cls``."""

    def execute_model(self, *args: Any, **kwargs: Any) -> Any:
        """As vLLM's; some models sample in it."""
        return _enclose(super().execute_model(*args, **kwargs))

    def sample_tokens(self, *args: Any, **kwargs: Any) -> Any:
        """As vLLM's; most models sample in it."""
        return _enclose(super().sample_tokens(*args, **kwargs))


def traces_of(output: ModelRunnerOutput) -> dict[Key, StepTrace]:
    """The traces that came with the result of a step."""
    return getattr(output, _ATTRIBUTE, {})


def _enclose(output: Any) -> Any:
    if output is None or (letter := OUTBOX.drain()) is None:
        return output
    if isinstance(output, AsyncModelRunnerOutput):
        # Its own get_output waits for the step; only then has the letter arrived on the host.
        get_output = output.get_output
        output.get_output = lambda: _with(get_output(), letter)  # type: ignore[method-assign]
        return output
    return _with(output, letter)


def _with(output: ModelRunnerOutput, letter: Letter) -> ModelRunnerOutput:
    setattr(output, _ATTRIBUTE, letter.read())
    return output
