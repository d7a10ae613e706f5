// Package pcap writes what went over TCP connections as a capture file that Wireshark, tshark and tcpdump read, and reads
// such files back. A capture made inside a process has octets and endpoints but no packets: Writer puts the Ethernet, IP and
// TCP headers around them that the octets would have had.
//
// It refuses to know what the octets mean, so what must not be in a file has to be taken out before.
//
//	w, err := pcap.NewWriter(file)
//	err = w.Write(at, local, remote, pdu)   // once for each PDU, in the order of each connection
//
// What is not obvious:
//   - Sequence numbers count the octets that were written here. Whoever leaves PDUs out leaves no gap, so that no reader
//     takes the connection for a broken one.
//   - A connection begins without a handshake, as in every capture that was started later than the connection.
package pcap
