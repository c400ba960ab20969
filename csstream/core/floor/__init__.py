"""The floor of a shop: all agents and customers at one instant, and the alert rules that need to see all of them.

Rules of kind *s* (SPEC 8) are conditions on the state at an instant, judged once when the clock passes it. So there is
one machine, `floor.Floor`, that is fed changes in order of time, and one module a rule, which says when its condition
holds and when time alone may change that. `rulebook.py` lists them. Audit and live worker feed the same machine.
"""
