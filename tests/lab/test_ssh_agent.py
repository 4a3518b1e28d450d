"""The key of a program that is killed together with what watches over its agent.

It needs no lab; but it waits for what ssh-agent does only every 10 s, too long for each change.
"""

from pathlib import Path

from tests.programs import test_turn


def test_the_key_goes_with_all_but_the_agent_killed(tmp_path: Path) -> None:
    test_turn.test_the_key_goes_with_a_program_that_is_killed(tmp_path, "all but the agent", 15)
