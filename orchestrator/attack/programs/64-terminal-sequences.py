# expect: error:ValueError
# after: slot-fresh; escape sequences and control characters in an error are text: nobody's terminal obeys them
print("\x1b[2J\x1b]0;owned\x07\x1b[31m", "\x9b6n", "‮desrever", flush=True)
raise ValueError("\x1b[2J\x1b]0;owned\x07 \r\n\x00 ESC" + "‮")
