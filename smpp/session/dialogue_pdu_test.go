package session_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"fanline/smpp"
)

// pdu builds what the peer sends: COMMAND SEQUENCE [status=N] [id=TEXT] [text=TEXT] [congestion=N].
func (d *dialogue) pdu(args []string) []byte {
	id, seq, status := commandNamed(d.t, args[0]), uint32(d.number(args[1])), smpp.StatusOK
	var messageID, text string
	var options smpp.Options
	bare := true
	for _, a := range args[2:] {
		k, v, _ := strings.Cut(a, "=")
		switch k {
		case "status":
			status = smpp.Status(d.number(v))
		case "id":
			messageID, bare = v, false
		case "text":
			text = v
		case "congestion":
			options, bare = options.Append(smpp.TagCongestionState, []byte{byte(d.number(v))}), false
		case "version":
			options = options.Append(smpp.TagScInterfaceVersion, []byte{byte(d.number(v))})
		default:
			d.t.Fatalf("unknown field %q", k)
		}
	}
	var p smpp.PDU
	switch id {
	case smpp.BindTransceiverRespID, smpp.BindTransmitterRespID, smpp.BindReceiverRespID:
		p = &smpp.BindResp{Kind: id, SystemID: "smsc", Options: options}
	case smpp.BindTransceiverID:
		p = &smpp.Bind{Kind: id, SystemID: "smsc", InterfaceVersion: smpp.Version34}
	case smpp.EnquireLinkRespID:
		p = &smpp.EnquireLinkResp{Options: options}
	case smpp.OutbindID:
		p = &smpp.Outbind{SystemID: messageID, Password: text}
	case smpp.AlertNotificationID:
		p = &smpp.AlertNotification{Source: smpp.Address{Addr: "13125550199"}, ESME: smpp.Address{Addr: "7735550100"}}
	case smpp.QuerySMRespID:
		p = &smpp.QuerySMResp{MessageID: messageID, MessageState: 2, Options: options}
	case smpp.SubmitMultiRespID:
		p = &smpp.SubmitMultiResp{MessageID: messageID, Options: options, Unsuccess: []smpp.Unsuccess{
			{Address: smpp.Address{Addr: "13125550198"}, Status: smpp.StatusInvDstAddr},
		}}
	case smpp.SubmitSMRespID:
		p = &smpp.SubmitSMResp{MessageID: messageID, Options: options}
	case smpp.DataSMRespID:
		p = &smpp.DataSMResp{MessageID: messageID, Options: options}
	case smpp.DeliverSMID:
		p = &smpp.DeliverSM{Source: smpp.Address{Addr: "13125550199"}, ShortMessage: []byte(text)}
	case smpp.DataSMID:
		p = &smpp.DataSM{Source: smpp.Address{Addr: "13125550199"}, Options: options.Append(smpp.TagMessagePayload, []byte(text))}
	}
	if p == nil || (bare && (id == smpp.SubmitSMRespID || id == smpp.QuerySMRespID)) { // A header alone.
		b, err := smpp.Append(nil, status, seq, &smpp.EnquireLink{})
		if err != nil {
			d.t.Fatal(err)
		}
		b[4], b[5], b[6], b[7] = byte(id>>24), byte(id>>16), byte(id>>8), byte(id)
		return b
	}
	b, err := smpp.Append(nil, status, seq, p)
	if err != nil {
		d.t.Fatal(err)
	}
	return b
}

// since34 encodes what came with SMPP 3.4: a data_sm, or a submit_sm with a TLV.
func since34(t testing.TB, data bool) []byte {
	t.Helper()
	options := smpp.Options{}.Append(smpp.TagMessagePayload, []byte("x"))
	var p smpp.PDU = &smpp.SubmitSM{Destination: smpp.Address{Addr: "13125550199"}, Options: options}
	if data {
		p = &smpp.DataSM{Destination: smpp.Address{Addr: "13125550199"}, Options: options}
	}
	b, err := smpp.Append(nil, smpp.StatusOK, 0, p)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// request sends one of the operations that are no submits, and notes what came of it.
func (d *dialogue) request(args []string) {
	var p smpp.PDU
	switch args[0] {
	case "query_sm":
		p = &smpp.QuerySM{MessageID: "A1"}
	case "cancel_sm":
		p = &smpp.CancelSM{MessageID: "A1"}
	case "replace_sm":
		p = &smpp.ReplaceSM{MessageID: "A1", ShortMessage: []byte("new")}
	case "submit_multi":
		p = &smpp.SubmitMulti{Destinations: []smpp.Destination{
			{Address: smpp.Address{Addr: "13125550199"}}, {Address: smpp.Address{Addr: "13125550198"}}, {List: "friends"},
		}, ShortMessage: []byte("all")}
	case "query_broadcast_sm":
		p = &smpp.QueryBroadcastSM{MessageID: "A1"}
	case "enquire_link":
		p = &smpp.EnquireLink{}
	default:
		d.t.Fatalf("no request %q", args[0])
	}
	ctx, stop := d.ctx, context.CancelFunc(func() {})
	if len(args) > 1 {
		ctx, stop = context.WithTimeout(d.ctx, d.duration(args[1]))
	}
	d.runs.Go(func() {
		defer stop()
		h, answer, err := d.s.Request(ctx, p)
		line := fmt.Sprintf("! %s: %v", args[0], err)
		if err == nil {
			line = fmt.Sprintf("! %s: %v %v", args[0], h.ID, h.Status)
		}
		switch a := answer.(type) {
		case *smpp.QuerySMResp:
			line += fmt.Sprintf(" id=%q state=%d", a.MessageID, a.MessageState)
		case *smpp.SubmitMultiResp:
			line += fmt.Sprintf(" id=%q, not to %v", a.MessageID, a.Unsuccess)
		}
		d.note(&d.calls, "%s", line)
	})
}
