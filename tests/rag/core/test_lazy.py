"""A lazy property is computed once, by one of the threads that ask for it."""

from __future__ import annotations

from threading import Barrier, Thread

from rag.core.process.lazy import lazy_property


class Loader:
    def __init__(self, num_threads: int) -> None:
        self.barrier = Barrier(num_threads)
        self.num_loads = 0

    @lazy_property
    def model(self) -> object:
        """The model."""
        self.num_loads += 1
        return object()


def test_many_threads_get_one_value() -> None:
    num_threads = 8
    loader, values = Loader(num_threads), []

    def read() -> None:
        loader.barrier.wait()
        values.append(loader.model)

    threads = [Thread(target=read) for _ in range(num_threads)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert loader.num_loads == 1
    assert all(value is loader.model for value in values)


def test_a_thread_waits_for_the_one_that_computes() -> None:
    entered, released = Barrier(2), Barrier(2)

    class Slow:
        num_loads = 0

        @lazy_property
        def value(self) -> int:
            type(self).num_loads += 1
            entered.wait(timeout=10)
            released.wait(timeout=10)
            return 7

    slow, values = Slow(), []
    first = Thread(target=lambda: values.append(slow.value))
    second = Thread(target=lambda: values.append(slow.value))
    first.start()
    entered.wait(timeout=10)  # the first thread is inside
    second.start()
    released.wait(timeout=10)
    first.join()
    second.join()
    assert values == [7, 7]
    assert Slow.num_loads == 1


def test_the_class_shows_the_docstring() -> None:
    assert Loader.model.__doc__ == "The model."
