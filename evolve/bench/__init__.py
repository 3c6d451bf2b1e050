"""How fast is it? What `hebbarium bench` measures: the engine, the search and the start, beside others."""
