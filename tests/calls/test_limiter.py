"""The limiter: so many places per provider, in the whole process, and none ever lost."""

import asyncio
import gc
import threading

from fusion_graph.calls.limiter import Limiter


async def turns(count: int = 5) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_so_many_hold_a_place_and_the_others_wait_in_order() -> None:
    limiter = Limiter(2)
    order: list[int] = []

    async def work(number: int) -> None:
        await limiter.acquire("p")
        order.append(number)

    tasks = [asyncio.create_task(work(number)) for number in range(4)]
    await turns()
    assert order == [0, 1]

    limiter.release("p")
    await turns()
    assert order == [0, 1, 2]

    limiter.release("p")
    await asyncio.gather(*tasks)
    assert order == [0, 1, 2, 3]


async def test_providers_do_not_wait_for_each_other() -> None:
    limiter = Limiter(1)
    await limiter.acquire("p")

    await asyncio.wait_for(limiter.acquire("q"), 5)


async def test_a_place_given_back_can_be_taken_again_without_waiting() -> None:
    limiter = Limiter(1)

    for _ in range(3):
        await asyncio.wait_for(limiter.acquire("p"), 5)
        limiter.release("p")


async def test_who_is_cancelled_while_waiting_leaves_the_queue() -> None:
    limiter = Limiter(1)
    await limiter.acquire("p")
    waiting = asyncio.create_task(limiter.acquire("p"))
    await turns()

    waiting.cancel()
    await asyncio.wait([waiting])
    limiter.release("p")

    await asyncio.wait_for(limiter.acquire("p"), 5)


async def test_a_place_handed_to_somebody_cancelled_in_the_same_moment_goes_on_to_the_next() -> None:
    limiter = Limiter(1)
    problems: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: problems.append(context))
    await limiter.acquire("p")
    first, second = (asyncio.create_task(limiter.acquire("p")) for _ in range(2))
    await turns()

    limiter.release("p")
    first.cancel()
    await asyncio.wait([first])

    assert first.cancelled()
    await asyncio.wait_for(second, 5)
    assert problems == []


def test_the_limit_counts_across_event_loops() -> None:
    limiter = Limiter(2)
    lock = threading.Lock()
    inside, most = 0, 0

    async def work() -> None:
        nonlocal inside, most
        await limiter.acquire("p")
        with lock:
            inside += 1
            most = max(most, inside)
        await asyncio.sleep(0.001)
        with lock:
            inside -= 1
        limiter.release("p")

    async def several() -> None:
        await asyncio.gather(*(work() for _ in range(10)))

    threads = [threading.Thread(target=asyncio.run, args=[several()]) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert not any(thread.is_alive() for thread in threads)
    assert (inside, most) == (0, 2)


def waiting_in(loop: asyncio.AbstractEventLoop, limiter: Limiter) -> asyncio.Task[None]:
    task = loop.create_task(limiter.acquire("p"))
    loop.run_until_complete(asyncio.sleep(0))
    task._log_destroy_pending = False  # type: ignore[attr-defined]  # asyncio's complaint of a task left behind
    return task


def test_a_place_is_not_handed_to_an_event_loop_that_is_closed() -> None:
    limiter = Limiter(1)
    closed, alive = asyncio.new_event_loop(), asyncio.new_event_loop()
    alive.run_until_complete(limiter.acquire("p"))
    lost = waiting_in(closed, limiter)
    closed.close()

    limiter.release("p")

    alive.run_until_complete(asyncio.wait_for(limiter.acquire("p"), 5))
    assert not lost.done()
    alive.close()


def test_a_place_handed_to_an_event_loop_that_never_runs_again_comes_back_with_its_task() -> None:
    limiter = Limiter(1)
    stopped, alive = asyncio.new_event_loop(), asyncio.new_event_loop()
    alive.run_until_complete(limiter.acquire("p"))
    lost = waiting_in(stopped, limiter)

    limiter.release("p")
    stopped.close()
    del lost, stopped
    gc.collect()

    alive.run_until_complete(asyncio.wait_for(limiter.acquire("p"), 5))
    alive.close()
