"""Questions to figures. Uses the app as a door does.

questions, sets     files → questions, in one of three forms
homes               where they are asked: the user's home, or one made for a corpus or a tree
runs, answering     a question → what was found and answered; baselines beside it
figures, abstention, intervals, summary     results → figures with their intervals. Pure
comparison, gate    a run against an earlier one; a run against what it must reach
report, page, plots a run as JSON and as a page
calibrate, regression   the evidence, fitted on the user's own questions
"""
