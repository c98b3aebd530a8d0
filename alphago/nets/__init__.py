"""Networks and learned weights: so far the weights of the rollout and tree policies (`alphago.nets.rollout`)."""

from alphago.nets.rollout import WeightsError, load_rollout_weights, save_rollout_weights

__all__ = ["WeightsError", "load_rollout_weights", "save_rollout_weights"]
