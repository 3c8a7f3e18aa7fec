"""A question comes out: retrieve, release, weigh the evidence, prompt, generate, check every sentence. One direction."""
