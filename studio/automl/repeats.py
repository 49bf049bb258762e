"""On small tables the leading bagged candidates are fitted on folds drawn anew.

The choice among them then hangs less on luck, and their models together make a steadier final one.
"""

import time
from collections.abc import Callable

from studio.automl.campaign import Campaign
from studio.automl.tasks import RepeatTask, outputs_path
from studio.automl.trials import PastTrial
from studio.automl.weighing import MAX_CANDIDATES, draws_of, is_bagged, weigh
from studio.errors import SearchPaused

MAX_REPEATED = 10
LEADERS = 3  # best ones that are repeated whatever their weight, where trials and not the time are the limit


def repeat_leaders(
    campaign: Campaign, should_stop: Callable[[], bool], should_pause: Callable[[], bool] = lambda: False
) -> None:
    """Fit the best candidates on the problem's repeats as far as the time, or half of the trials' work, allows.

    Called again after the process was killed it fits what is missing.

    Raises:
        SearchPaused: It was to pause, and the fits in progress have ended.
    """
    waiting = _plan_repeats(campaign)
    running: dict[int, RepeatTask] = {}
    failed: set[int] = set()
    while waiting or running:
        if should_stop() or campaign.is_time_for_finish():
            break
        is_pausing = should_pause()
        while waiting and campaign.pool.n_idle and not is_pausing:
            past, draw = waiting.pop(0)
            if past.number in failed or not _is_affordable(campaign, past):
                continue
            until = campaign.repeats_end()
            task = RepeatTask(past.number, campaign.configuration(past), draw, until)
            running[campaign.pool.submit(task, until)] = task
        if not running:
            if is_pausing:
                raise SearchPaused(f"paused after {len(campaign.trials)} trials")
            break
        for event in campaign.pool.poll(0.5):
            task = running.pop(event.worker)
            if event.kind == "failed":
                failed.add(task.number)
                text = f"[Training] repeat {task.draw} of trial {task.number} failed: {event.value}"
                campaign.observer.log("debug", text)
    for worker in running:
        campaign.pool.kill(worker)
    _log(campaign)


def _plan_repeats(campaign: Campaign) -> list[tuple[PastTrial, int]]:
    """What to fit in what order: every leader once, those with a weight first, then every leader again."""
    ranked = campaign.ranked()
    if not campaign.allowances.n_repeats or not ranked:
        return []
    # The repeats that are there do not count, or after a restart others would be wanted.
    weights, _ = weigh(campaign, ranked[:MAX_CANDIDATES], campaign.weighing_end(), n_draws=0)
    bagged = [past for past in ranked if is_bagged(campaign, past.number)]
    leaders = [past for past in bagged if past.number in weights]
    n_best = MAX_REPEATED if campaign.is_paced else LEADERS
    leaders += [past for past in bagged[:n_best] if past not in leaders]
    if not leaders:
        return []
    del leaders[MAX_REPEATED:]
    planned = [(past, draw) for draw in range(1, len(campaign.problem.repeats) + 1) for past in leaders]
    if not campaign.is_paced:
        n_whole = len(campaign.trials) // 2 // len(leaders) * len(leaders)
        del planned[n_whole:]
    return [(past, draw) for past, draw in planned if not outputs_path(campaign.folder, past.number, draw).exists()]


def _is_affordable(campaign: Campaign, past: PastTrial) -> bool:
    end = campaign.repeats_end()
    return end is None or time.monotonic() + 1.2 * past.facts.duration_s < end


def _log(campaign: Campaign) -> None:
    found = {past.number: draws_of(campaign, past.number) for past in campaign.ranked()}
    repeated = [number for number, draws in found.items() if draws]
    if repeated:
        most = max(found.values())
        text = f"[Training] {len(repeated)} candidates were fitted on {most} more draws of the folds"
        campaign.observer.log("info", text)
