package web

// state is one choice of the form.
type state struct{ Code, Name string }

// stateAbroad is the choice of those who live outside the United States.
const stateAbroad = "-"

// states lists the 50 states, the District and the inhabited territories by
// their postal codes, and abroad at the end.
func states() []state {
	return []state{
		{"AL", "Alabama"},
		{"AK", "Alaska"},
		{"AZ", "Arizona"},
		{"AR", "Arkansas"},
		{"CA", "California"},
		{"CO", "Colorado"},
		{"CT", "Connecticut"},
		{"DE", "Delaware"},
		{"DC", "District of Columbia"},
		{"FL", "Florida"},
		{"GA", "Georgia"},
		{"HI", "Hawaii"},
		{"ID", "Idaho"},
		{"IL", "Illinois"},
		{"IN", "Indiana"},
		{"IA", "Iowa"},
		{"KS", "Kansas"},
		{"KY", "Kentucky"},
		{"LA", "Louisiana"},
		{"ME", "Maine"},
		{"MD", "Maryland"},
		{"MA", "Massachusetts"},
		{"MI", "Michigan"},
		{"MN", "Minnesota"},
		{"MS", "Mississippi"},
		{"MO", "Missouri"},
		{"MT", "Montana"},
		{"NE", "Nebraska"},
		{"NV", "Nevada"},
		{"NH", "New Hampshire"},
		{"NJ", "New Jersey"},
		{"NM", "New Mexico"},
		{"NY", "New York"},
		{"NC", "North Carolina"},
		{"ND", "North Dakota"},
		{"OH", "Ohio"},
		{"OK", "Oklahoma"},
		{"OR", "Oregon"},
		{"PA", "Pennsylvania"},
		{"RI", "Rhode Island"},
		{"SC", "South Carolina"},
		{"SD", "South Dakota"},
		{"TN", "Tennessee"},
		{"TX", "Texas"},
		{"UT", "Utah"},
		{"VT", "Vermont"},
		{"VA", "Virginia"},
		{"WA", "Washington"},
		{"WV", "West Virginia"},
		{"WI", "Wisconsin"},
		{"WY", "Wyoming"},
		{"AS", "American Samoa"},
		{"GU", "Guam"},
		{"MP", "Northern Mariana Islands"},
		{"PR", "Puerto Rico"},
		{"VI", "U.S. Virgin Islands"},
		{stateAbroad, "Outside the United States"},
	}
}

// cities are what the form proposes while a city is typed; any other may be
// entered. They keep one city from being written in five ways.
func cities() []string {
	return []string{
		"Albuquerque", "Anaheim", "Anchorage", "Arlington", "Atlanta", "Aurora", "Austin", "Bakersfield", "Baltimore",
		"Baton Rouge", "Birmingham", "Boise", "Boston", "Bronx", "Brooklyn", "Buffalo", "Chandler", "Charlotte",
		"Chesapeake", "Chicago", "Cincinnati", "Cleveland", "Colorado Springs", "Columbus", "Corpus Christi", "Dallas",
		"Denver", "Des Moines", "Detroit", "Durham", "El Paso", "Fort Wayne", "Fort Worth", "Fresno", "Gilbert",
		"Glendale", "Greensboro", "Henderson", "Honolulu", "Houston", "Indianapolis", "Irvine", "Irving",
		"Jacksonville", "Jersey City", "Kansas City", "Laredo", "Las Vegas", "Lexington", "Lincoln", "Long Beach",
		"Los Angeles", "Louisville", "Lubbock", "Madison", "Memphis", "Mesa", "Miami", "Milwaukee", "Minneapolis",
		"Nashville", "New Orleans", "New York", "Newark", "Norfolk", "Oakland", "Oklahoma City", "Omaha", "Orlando",
		"Philadelphia", "Phoenix", "Pittsburgh", "Plano", "Portland", "Queens", "Raleigh", "Reno", "Richmond",
		"Riverside", "Rochester", "Sacramento", "Saint Paul", "Salt Lake City", "San Antonio", "San Diego",
		"San Francisco", "San Jose", "San Juan", "Santa Ana", "Scottsdale", "Seattle", "Spokane", "St. Louis",
		"St. Petersburg", "Stockton", "Tampa", "Toledo", "Tucson", "Tulsa", "Virginia Beach", "Washington", "Wichita",
	}
}
