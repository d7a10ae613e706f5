package certify

// plan is the test plan, in the order in which it is carried out: what needs a bind alone comes before what shares one, and
// what is rude comes last.
func plan() []testCase {
	var all []testCase
	for _, group := range [][]testCase{connectionCases(), bindCases(), linkCases(), submitCases(), receiptCases(), speedCases(), returnCases(), inboundCases()} {
		all = append(all, group...)
	}
	return all
}

// Groups are the letters of the cases' ids, and what they are about, in the order of the plan.
func Groups() [][2]string {
	return [][2]string{
		{"C", "Connection"},
		{"B", "Bind"},
		{"L", "Session and protocol"},
		{"S", "Messages to the phone"},
		{"R", "Delivery receipts"},
		{"T", "Response times, window and rate"},
		{"X", "Leaving and coming back"},
		{"M", "Messages from the phone"},
	}
}
