"""Options under which the contracts of a family are cheap to check, where its defaults are not."""

CHEAP = {
    "pong": {"positions": 16, "epochs": 40},
    "associative_memory": {"units": 20, "loads": (0.1, 0.4)},
    "sequence_learning": {"lengths": (4, 6)},
    "digits": {"samples": 500},
    "yinyang": {"samples": 1000},
    "teacher_student": {"samples": 1000},
    "fewshot_mixture": {"shots": 10},
    "temporal_credit": {"batches": 10},
    "elise": {"teaching": 3},
    "anticipation": {"epochs": 5},
    "reward_driven": {"trials": 20, "patterns": 4, "duration": 100.0},
    "error_driven": {"duration": 0.5, "dt": 1.0},
    "correlation_driven": {"inputs": 100, "input_rate": 10.0, "duration": 3.0},
}


def cheap(family):
    """Cheap options of a family."""
    return family.options(**CHEAP.get(family.name, {}))
