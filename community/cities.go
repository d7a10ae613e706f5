package community

// simulatedCity is a place from which simulated members come.
type simulatedCity struct {
	name, state string
	people      int // thousands, United States census of 2020, rounded
	areas       []int
}

// simulatedCities returns the largest cities of the United States with their
// geographic area codes, enough of them that a number says where it is from.
func simulatedCities() []simulatedCity {
	return []simulatedCity{
		{"New York", "NY", 8804, []int{212, 347, 646, 718, 917, 929}},
		{"Los Angeles", "CA", 3899, []int{213, 310, 323, 424, 818}},
		{"Chicago", "IL", 2746, []int{312, 773, 872}},
		{"Houston", "TX", 2304, []int{281, 346, 713, 832}},
		{"Phoenix", "AZ", 1608, []int{480, 602, 623}},
		{"Philadelphia", "PA", 1604, []int{215, 267}},
		{"San Antonio", "TX", 1435, []int{210, 726}},
		{"San Diego", "CA", 1387, []int{619, 858}},
		{"Dallas", "TX", 1304, []int{214, 469, 972}},
		{"San Jose", "CA", 1013, []int{408, 669}},
		{"Austin", "TX", 962, []int{512, 737}},
		{"Jacksonville", "FL", 950, []int{904}},
		{"Fort Worth", "TX", 919, []int{682, 817}},
		{"Columbus", "OH", 906, []int{380, 614}},
		{"Indianapolis", "IN", 888, []int{317, 463}},
		{"Charlotte", "NC", 875, []int{704, 980}},
		{"San Francisco", "CA", 874, []int{415, 628}},
		{"Seattle", "WA", 737, []int{206}},
		{"Denver", "CO", 716, []int{303, 720}},
		{"Washington", "DC", 690, []int{202}},
		{"Nashville", "TN", 689, []int{615, 629}},
		{"Oklahoma City", "OK", 681, []int{405}},
		{"El Paso", "TX", 679, []int{915}},
		{"Boston", "MA", 676, []int{617, 857}},
		{"Portland", "OR", 653, []int{503, 971}},
		{"Las Vegas", "NV", 642, []int{702, 725}},
		{"Detroit", "MI", 639, []int{313}},
		{"Memphis", "TN", 633, []int{901}},
		{"Louisville", "KY", 633, []int{502}},
		{"Baltimore", "MD", 586, []int{410, 443}},
		{"Milwaukee", "WI", 577, []int{414}},
		{"Albuquerque", "NM", 565, []int{505}},
		{"Tucson", "AZ", 543, []int{520}},
		{"Fresno", "CA", 542, []int{559}},
		{"Sacramento", "CA", 525, []int{916}},
		{"Kansas City", "MO", 508, []int{816}},
		{"Atlanta", "GA", 499, []int{404, 470}},
		{"Omaha", "NE", 486, []int{402, 531}},
		{"Colorado Springs", "CO", 479, []int{719}},
		{"Raleigh", "NC", 468, []int{919, 984}},
		{"Long Beach", "CA", 467, []int{562}},
		{"Virginia Beach", "VA", 459, []int{757}},
		{"Miami", "FL", 442, []int{305, 786}},
		{"Oakland", "CA", 441, []int{510}},
		{"Minneapolis", "MN", 430, []int{612}},
		{"Tulsa", "OK", 413, []int{918}},
		{"Bakersfield", "CA", 403, []int{661}},
		{"Wichita", "KS", 398, []int{316}},
		{"Tampa", "FL", 385, []int{813}},
		{"New Orleans", "LA", 384, []int{504}},
		{"Cleveland", "OH", 373, []int{216}},
		{"Honolulu", "HI", 351, []int{808}},
		{"Anaheim", "CA", 347, []int{714}},
		{"Lexington", "KY", 323, []int{859}},
		{"Stockton", "CA", 321, []int{209}},
		{"Corpus Christi", "TX", 318, []int{361}},
		{"Newark", "NJ", 312, []int{862, 973}},
		{"Riverside", "CA", 315, []int{951}},
		{"Saint Paul", "MN", 312, []int{651}},
		{"Cincinnati", "OH", 309, []int{513}},
		{"Orlando", "FL", 308, []int{321, 407}},
		{"Pittsburgh", "PA", 303, []int{412}},
		{"Saint Louis", "MO", 302, []int{314}},
		{"Greensboro", "NC", 299, []int{336}},
		{"Anchorage", "AK", 291, []int{907}},
		{"Lincoln", "NE", 291, []int{402}},
		{"Durham", "NC", 284, []int{919}},
		{"Buffalo", "NY", 278, []int{716}},
		{"Madison", "WI", 270, []int{608}},
		{"Boise", "ID", 236, []int{208, 986}},
		{"Richmond", "VA", 227, []int{804}},
		{"Des Moines", "IA", 214, []int{515}},
		{"Salt Lake City", "UT", 200, []int{385, 801}},
		{"Providence", "RI", 191, []int{401}},
	}
}

// simulatedNames returns given names by gender and family names, as they are
// common in the United States.
func simulatedNames() (female, male, family []string) {
	female = []string{
		"Mary", "Patricia", "Jennifer", "Linda", "Elizabeth", "Barbara", "Susan", "Jessica", "Sarah", "Karen", "Lisa", "Nancy",
		"Sandra", "Betty", "Ashley", "Emily", "Kimberly", "Margaret", "Donna", "Michelle", "Carol", "Amanda", "Melissa", "Deborah",
		"Stephanie", "Rebecca", "Sharon", "Laura", "Cynthia", "Amy", "Kathleen", "Angela", "Sofía", "Camila", "Lucía", "Valentina",
		"Mei", "Priya", "Aaliyah", "Zoë", "Chloé", "Imani", "Fatima", "Yara", "Noor", "Thuy", "Ingrid", "Brooklyn",
	}
	male = []string{
		"James", "Robert", "John", "Michael", "David", "William", "Richard", "Joseph", "Thomas", "Charles", "Christopher", "Daniel",
		"Matthew", "Anthony", "Mark", "Donald", "Steven", "Paul", "Andrew", "Joshua", "Kenneth", "Kevin", "Brian", "George",
		"Timothy", "Ronald", "Edward", "Jason", "Jeffrey", "Ryan", "Jacob", "Gary", "José", "Luis", "Mateo", "Diego",
		"Wei", "Arjun", "Malik", "DeShawn", "Omar", "Ibrahim", "Minh", "Sven", "André", "Kofi", "Jamal", "Xavier",
	}
	family = []string{
		"Smith", "Johnson", "Williams", "Brown", "Jones", "García", "Miller", "Davis", "Rodríguez", "Martínez", "Hernández", "López",
		"González", "Wilson", "Anderson", "Thomas", "Taylor", "Moore", "Jackson", "Martin", "Lee", "Pérez", "Thompson", "White",
		"Harris", "Sánchez", "Clark", "Ramírez", "Lewis", "Robinson", "Walker", "Young", "Allen", "King", "Wright", "Scott",
		"Torres", "Nguyen", "Hill", "Flores", "Green", "Adams", "Nelson", "Baker", "Hall", "Rivera", "Campbell", "Mitchell",
		"Carter", "Roberts", "O'Brien", "Patel", "Kim", "Chen", "Washington", "Goldberg", "Kowalski", "MacDonald", "Okafor", "Haddad",
	}
	return female, male, family
}
