"""The executor `rp` beside its class: what RADICAL-Pilot is asked, and what it tells."""
