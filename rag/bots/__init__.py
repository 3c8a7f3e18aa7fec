"""Doors in chat, each a process of its own that speaks to the service over HTTP and holds no store.

adapter     what a chat platform is to us: the one Protocol every adapter keeps
platforms   the platforms there are, by name
inbox       what was taken and not yet answered, written down before it is acknowledged
runner      takes, answers some at a time, takes messages back
answering   one question's way to its end: an answer, or why there is none
speaking    the message of a question: posted once, grown, ended
withdrawing takes messages back: the administrator's wish, or the asker's
client      the service over HTTP            told     what it tells: events, and why there is none
replies     what stands in the chat, pure    links    no address but the internal page's, pure
screen      one message that grows           riding   riding out what passes
entries     what the inbox gives             unbroken what is on its way arrives

An adapter knows `adapter` and its platform; it knows no other room, and no other room knows it.
"""
