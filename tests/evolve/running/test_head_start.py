"""A search that knows every short rule before it begins."""

import numpy as np
import pytest

from evolve.config.run_config import RunConfig
from evolve.evaluation.interpreter import Interpreter
from evolve.ranking.recognise import keys
from evolve.running import head_start
from evolve.running.head_start import list_short_rules
from evolve.running.interrupt import Interrupt
from evolve.running.log import RunView
from evolve.running.loop import Job, _search, _survey, begin_search, build_evaluator
from evolve.running.select_champion import draw_arena
from evolve.search.fingerprint import PRIME
from rules_zoo import RULES
from substrate.compilation.graph import from_rule
from substrate.errors import UserError

SMALL = {
    "options": {"dimensions": [2, 3], "samples": 500},
    "engine": "interpreter",
    "rates": "fixed",
}
FEW = {"variation": {"islands": 8}, "stop": {"generations": 40}}
RICH = {
    "six": {"terminals": ["pre", "post", "w", "u", "w_norm", "pre_norm"]},
    "slow": {"slow": ["s"]},
    "functions": {"primitives": ["sub", "mul", "div", "tanh"]},
}


def searched(config, stop=None):
    train = draw_arena(config, "train")
    evaluator = build_evaluator(config, [train])
    job = Job(config, RunView(), begin_search(config, None))
    known = list_short_rules(config)
    if known is not None:
        _survey([job], known, evaluator, stop or Interrupt())
    _search([job], evaluator, stop or Interrupt())
    return job, evaluator


@pytest.mark.parametrize("genes", RICH.values(), ids=RICH)
def test_a_rich_alphabet_does_not_hide_a_short_rule(genes):
    """Oja's rule has three operations; among these observables and functions a search alone hardly meets it."""
    size = None if "slow" in genes else 3  # with slow variables, as much as is affordable
    config = RunConfig(
        genes=genes,
        rates="fixed",
        engine="interpreter",
        options={"dimensions": [2], "samples": 300},
        variation={"islands": 8, "survey": size},
        stop={"generations": 200},
    )
    job, evaluator = searched(config)
    oja = evaluator.measure([[RULES["oja"]]], [draw_arena(config, "train")])[0]["oja"].fitness[0]
    assert job.lookahead.state.best.score >= oja - 1e-5


def test_no_surveyed_formula_is_scored_again(monkeypatch):
    config = RunConfig(**SMALL, **FEW)
    known = list_short_rules(config)
    listed = {known.key(place) for place in range(len(known))}
    asked = []
    begin = Interpreter.begin

    def noting(self, wanted, *more, **named):
        asked.append(wanted)
        return begin(self, wanted, *more, **named)

    monkeypatch.setattr(Interpreter, "begin", noting)
    job, _ = searched(config)
    assert job.complete == known.complete and len(known) < head_start.BATCH
    first, *later = asked
    assert [len(own) for own in first] == [len(known)]
    met = {tuple(keys(graph).values()) for wanted in later for own in wanted for graph in own}
    assert met and met.isdisjoint(listed)
    assert job.lookahead.state.evaluations > len(listed)


def test_a_size_that_cannot_be_listed_is_refused():
    with pytest.raises(UserError, match=r"too large.*What would fit: size"):
        list_short_rules(RunConfig(variation={"survey": 10}))


def test_every_island_begins_with_one_of_the_best(monkeypatch):
    config = RunConfig(**SMALL, **FEW)
    job, _ = searched(config, stopped())
    scores = [island[0].score for island in job.lookahead.state.islands]
    best = sorted(job.lookahead.state.known._scores.values())[-len(scores) :]
    np.testing.assert_allclose(sorted(scores), best, atol=1e-6)


def test_at_several_rates_the_best_at_the_rate_of_the_task_are_looked_at_again():
    config = RunConfig(**{**SMALL, "rates": "best"}, **FEW)
    job, evaluator = searched(config, stopped())
    short = list_short_rules(config)
    state = job.lookahead.state
    assert state.evaluations >= len(short) > len(state.known)
    (key,) = (short.key(i) for i in range(len(short)) if short.key(i)[0] == _key("oja"))
    gains = {"oja": [8, 4, 2, 1, 0.5, 0.25, 0.125]}
    measured = evaluator.measure([[RULES["oja"]]], [draw_arena(config, "train")], gains)
    assert state.known.peek(key) == pytest.approx(measured[0]["oja"].fitness.max(), abs=1e-5)


def stopped():
    """Somebody who asks for an end once the survey is over."""

    class Stop:
        asked = -1

        @property
        def requested(self):
            self.asked += 1
            return self.asked > 0

    return Stop()


def test_an_end_within_the_survey_claims_nothing(monkeypatch):
    monkeypatch.setattr(head_start, "BATCH", 100)
    config = RunConfig(**SMALL, **FEW)
    stop = Interrupt()
    stop.requested = True
    job, _ = searched(config, stop)
    assert job.complete is None
    assert job.lookahead.state.evaluations >= 100
    assert job.lookahead.state.best.score > 0


@pytest.mark.parametrize(
    ("settings", "complete"),
    [
        ({"variation": {"survey": 0}}, None),
        ({"variation": {"survey": 2}}, 2),
        ({"variation": {"start": "oja"}}, None),
        ({"task": "temporal_credit"}, None),  # a rule takes seconds
        ({"stop": {"evaluations": 400}}, 2),
        ({}, 4),
    ],
)
def test_how_much_is_known_is_a_matter_of_the_configuration(settings, complete):
    known = list_short_rules(RunConfig(**settings))
    assert (None if known is None else known.complete) == complete


def test_a_slow_variable_that_is_not_read_makes_no_difference():
    """Rules whose weight does not depend on a slow variable are one rule, whatever the rate of that variable."""
    config = RunConfig(genes={"slow": ["s"]})
    known = list_short_rules(config)
    listed = [known.key(place) for place in range(len(known))]
    assert len(set(listed)) == len(listed)
    oja = [key for key in listed if key[0] == _key("oja")]
    assert oja == [(_key("oja"), 0)]


def _key(name):
    return keys(from_rule(RULES[name]))["dw"] % PRIME
