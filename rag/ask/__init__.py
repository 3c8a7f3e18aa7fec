"""A question comes out: retrieve, release, weigh the evidence, prompt, generate, check each sentence. One direction."""
