"""Device placement: which device computes which operation of a network's graph, learned by the REINFORCE trainer."""
