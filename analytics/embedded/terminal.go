package embedded

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// pretendTerminal puts a pseudo-terminal in place of stdin and returns what
// stdin was. ClickHouse, when it is not interactive, ends the whole process on
// any exception of a connection's thread: a mistyped password or a connection
// cut during its handshake would be enough. It is interactive only on a
// terminal.
func pretendTerminal() (stdin *os.File, err error) {
	fd, err := unix.FcntlInt(0, unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return nil, fmt.Errorf("keeping stdin: %w", err)
	}
	stdin = os.NewFile(uintptr(fd), "stdin")
	master, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return stdin, fmt.Errorf("/dev/ptmx: %w", err)
	}
	// The master stays open for as long as the process lives: without it the
	// other side would be at its end.
	if err := unix.IoctlSetPointerInt(master, unix.TIOCSPTLCK, 0); err != nil {
		return stdin, fmt.Errorf("unlocking a pseudo-terminal: %w", err)
	}
	n, err := unix.IoctlGetInt(master, unix.TIOCGPTN)
	if err != nil {
		return stdin, fmt.Errorf("numbering a pseudo-terminal: %w", err)
	}
	slave, err := unix.Open(fmt.Sprintf("/dev/pts/%d", n), unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return stdin, fmt.Errorf("/dev/pts/%d: %w", n, err)
	}
	defer func() { _ = unix.Close(slave) }()
	return stdin, unix.Dup3(slave, 0, 0)
}
