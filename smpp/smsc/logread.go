package smsc

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"

	"github.com/klauspost/compress/s2"
)

// ErrCorrupt marks a log that is damaged elsewhere than at its torn end.
var ErrCorrupt = errors.New("smsc log is corrupt")

// ReadLog calls yield for each entry of a log, in the order written, until it returns an error. path is the log's
// directory or one segment. An incomplete block at the very end, as a crash leaves it or a running simulator is just
// writing it, ends the reading without an error; damage anywhere else is ErrCorrupt with file and offset.
func ReadLog(path string, yield func(*Entry) error) error {
	segs := []string{path}
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("smsc log: %w", err)
	}
	if info.IsDir() {
		if segs, err = segments(path); err != nil {
			return err
		}
		if len(segs) == 0 {
			return fmt.Errorf("smsc log %s: no segment *%s in it", path, segmentSuffix)
		}
	}
	d := decoder{}
	for i, seg := range segs {
		good, size, err := readSegment(seg, &d, yield)
		if err != nil {
			return err
		}
		if good < size && i < len(segs)-1 {
			return fmt.Errorf("%w: %s at offset %d: block is cut off, yet a later segment exists", ErrCorrupt, filepath.Base(seg), good)
		}
	}
	return nil
}

// readSegment reads one segment and gives the offset up to which it is whole, and its size.
func readSegment(path string, d *decoder, yield func(*Entry) error) (good, size int64, err error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, 0, fmt.Errorf("smsc log: %w", err)
	}
	defer f.Close() //nolint:errcheck // only read
	good, err = readBlocks(bufio.NewReaderSize(f, 1<<20), filepath.Base(path), d, yield)
	if err != nil {
		return good, 0, err
	}
	info, err := f.Stat()
	if err != nil {
		return good, 0, fmt.Errorf("smsc log: %w", err)
	}
	return good, info.Size(), nil
}

// readBlocks gives the length of what is whole at the front of r. A block that ends with r and is wrong is torn; one
// with more behind it is corrupt.
func readBlocks(r *bufio.Reader, name string, d *decoder, yield func(*Entry) error) (good int64, err error) {
	magic := make([]byte, len(segmentMagic))
	if _, err := io.ReadFull(r, magic); err != nil {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return 0, nil
		}
		return 0, fmt.Errorf("smsc log %s: %w", name, err)
	}
	if string(magic) != segmentMagic {
		return 0, fmt.Errorf("%w: %s doesn't begin as a log of the simulator does", ErrCorrupt, name)
	}
	return readBlocksFrom(r, int64(len(segmentMagic)), name, d, yield)
}

// readBlocksFrom goes on where good octets of the segment were read already.
func readBlocksFrom(r *bufio.Reader, good int64, name string, d *decoder, yield func(*Entry) error) (int64, error) {
	for {
		n, err := readBlock(r, d)
		switch {
		case errors.Is(err, errTorn):
			return good, nil
		case err != nil:
			return good, fmt.Errorf("%w: %s at offset %d: %w", ErrCorrupt, name, good, err)
		case n == 0:
			return good, nil
		}
		d.at = good
		if d.skips() {
			good += int64(n)
			continue
		}
		if err := d.entries(yield); err != nil {
			if errors.Is(err, errBlock) {
				err = fmt.Errorf("%w: %s at offset %d: %w", ErrCorrupt, name, good, err)
			}
			return good, err
		}
		good += int64(n)
	}
}

var errTorn = errors.New("the log ends within a block")

// readBlock puts the next payload into d and says how many bytes the block took; 0 at the end.
func readBlock(r *bufio.Reader, d *decoder) (int, error) {
	var head [blockHeaderLen]byte
	if n, err := io.ReadFull(r, head[:]); err != nil {
		if n == 0 && errors.Is(err, io.EOF) {
			return 0, nil
		}
		if errors.Is(err, io.ErrUnexpectedEOF) {
			return 0, errTorn
		}
		return 0, err
	}
	size := binary.LittleEndian.Uint32(head[:])
	if sum := uint32(head[9]) | uint32(head[10])<<8 | uint32(head[11])<<16; sum != headSum(head[:]) {
		return 0, tornOr(r, errors.New("checksum of the head differs"))
	}
	if size > blockPayloadMax {
		return 0, fmt.Errorf("block of %d octets", size)
	}
	if cap(d.raw) < int(size)+1 {
		d.raw = make([]byte, size+size/4+1)
	}
	d.raw = d.raw[:size+1]
	d.raw[0] = head[8]
	if _, err := io.ReadFull(r, d.raw[1:]); err != nil {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return 0, errTorn
		}
		return 0, err
	}
	if crc32.Checksum(d.raw, castagnoli()) != binary.LittleEndian.Uint32(head[4:]) {
		return 0, tornOr(r, errors.New("checksum differs"))
	}
	d.payload = d.raw[1:]
	if head[8]&blockS2 != 0 {
		n, err := s2.DecodedLen(d.payload)
		if err != nil || n > blockPayloadMax {
			return 0, errors.New("compressed block can't be read")
		}
		if d.plain, err = s2.Decode(d.plain[:cap(d.plain)], d.payload); err != nil {
			return 0, fmt.Errorf("compressed block: %w", err)
		}
		d.payload = d.plain
	}
	return blockHeaderLen + int(size), nil
}

// tornOr takes a bad block for torn when nothing but zeros follows: a file system may have given room that was never
// written.
func tornOr(r *bufio.Reader, err error) error {
	for {
		c, end := r.ReadByte()
		if errors.Is(end, io.EOF) {
			return errTorn
		}
		if end != nil || c != 0 {
			return err
		}
	}
}
