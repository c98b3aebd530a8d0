"""AlphaGo's pipeline of 2016 as one run: games, rollout policy, policy network, REINFORCE, value network, evaluation, report.

Read in this order: `settings` says what a configuration holds, `budget` makes a plan of it, `records` and `runner` know which
stages of a plan are done, and `learning`, `games`, `evaluation` and `stages` do them.
"""
