// Package smsc is the carrier simulator, a product of its own (`fanline smsc`): an SMSC with accounts, numbers and
// their limits, that answers, fails, sends receipts and texts from phones as a scenario says, and writes down all of it.
// Its log is the judge of everything that sends through it: Audit recounts submits, duplicates, rates and sends after a
// STOP from the log alone.
//
// It refuses to know what is sent to it: it imports the protocol (smpp, smpp/text) and nothing of the engine. It is no
// gateway either: it listens on loopback only and trusts whoever reaches it.
//
// The order that everything here keeps: an answer, receipt or text goes out only after the log that holds it was given
// to the operating system. A simulator that is killed and started again on its log goes on with what it owes.
//
// A carrier's bad days are keys of the scenario, each with its trace in the log: errors by share and by plan, answers late,
// bent or missing, receipts in any grammar, order and place, connections that break in every way TCP has. What SMPP 3.3,
// 3.4 and 5.0 have a client do with messages, query, cancel, replace, schedule, is done from the log.
//
// In memory is only what is pending, 32 octets for a receipt, and 24 octets for a block of the log, so that a message is
// found by its id. The log takes about 40 octets for a message with its
// receipt: blocks of one read or one flush each, in which a text is described by what it shares with the one before;
// blocks whose texts share little are compressed by s2.
//
//	err := smsc.Run(ctx, smsc.Options{Listen: "127.0.0.1:2775", Accounts: accounts, LogDir: "data/smsc/log"})
//	report, err := smsc.Audit("data/smsc/log")
package smsc
