"""How fast is it? What `hebbarium bench` measures: the engine, the search and the start, beside others.

`engine` measures the interpreter and the compiled path, `search` the search loop with all its bookkeeping and the
way to Oja's level, `start` whole commands in processes of their own. What is compared within one report is timed in
turns, because a machine that is shared changes its speed from minute to minute: trust ratios more than figures.
"""
