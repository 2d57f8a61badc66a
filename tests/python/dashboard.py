"""Runs a command in a terminal of its own: dashboard.py COLUMNS ROWS KEYS COMMAND...

Types KEYS as soon as the alternate screen is shown. Writes all that the terminal got to standard output and ends with the
command's exit code, 128 + N after signal N, or 99 where the command left the terminal's settings changed.
"""
import fcntl, os, pty, select, struct, sys, termios

columns, rows, keys, command = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3].encode(), sys.argv[4:]
terminal, theirs = pty.openpty()
fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
before = termios.tcgetattr(theirs)
child = os.fork()
if child == 0:
    os.setsid()
    fcntl.ioctl(theirs, termios.TIOCSCTTY, 0)
    for stream in range(3):
        os.dup2(theirs, stream)
    os.execv(command[0], command)

got, status = b"", None
while True:
    ready = select.select([terminal], [], [], 0.02)[0]
    if ready:
        got += os.read(terminal, 1 << 16)
        if keys and b"\x1b[?1049h" in got:
            os.write(terminal, keys)
            keys = b""
    elif status is not None:
        break
    else:
        ended, result = os.waitpid(child, os.WNOHANG)
        status = result if ended else None

sys.stdout.buffer.write(got)
sys.stdout.flush()
code = os.waitstatus_to_exitcode(status)
sys.exit(99 if termios.tcgetattr(theirs) != before else 128 - code if code < 0 else code)
