package community

import (
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fanline/engine/message"
	"fanline/pipeline/record"
)

func TestSimulatedMembersAreTheSameForTheSameSeed(t *testing.T) {
	eachDatabase(t, func(t *testing.T, s *fixture) {
		const n = 12_000
		r, err := s.Simulate(t.Context(), n, 7, ours, nil)
		s.must(err)
		if r.Rows != n || r.Created != n || r.Joined != n {
			t.Errorf("report %+v", r)
		}
		first := s.dump()
		entries := 0
		for _, row := range s.outbox() {
			m, err := record.DecodeMembers(row.Value)
			s.must(err)
			entries += len(m.Entries)
		}
		if entries != n {
			t.Errorf("analytics was told of %d", entries)
		}
		r, err = s.Simulate(t.Context(), n, 7, ours, nil)
		s.must(err)
		if r.Created != 0 || r.Unchanged != n || s.dump() != first || len(s.outbox()) > 0 {
			t.Errorf("the same seed again: %+v", r)
		}
		if n, err := s.Count(t.Context(), ours, `city="New York" age>=13 language=es`); err != nil || n < 50 {
			t.Errorf("%d of them speak Spanish in New York, %v", n, err)
		}
	})
}

func TestSimulatedMembersLookLikePeople(t *testing.T) {
	today := NewDate(2026, 9, 21)
	cities := simulatedCities()
	states := map[string]bool{}
	for _, c := range cities {
		states[c.state] = true
		if c.people < 100 || len(c.areas) == 0 || len(c.state) != 2 {
			t.Errorf("city %+v", c)
		}
	}
	if len(cities) < 60 || len(states) < 30 {
		t.Errorf("%d cities in %d states", len(cities), len(states))
	}
	const n = 50_000
	g := newGenerator(3, today)
	phones := map[message.Phone]bool{}
	from, genders, partitions := map[string]int{}, map[string]int{}, make([]int, 12)
	for range n {
		e, err := g.next()
		if err != nil {
			t.Fatal(err)
		}
		if phones[e.phone] {
			t.Fatalf("%v is given out twice", e.phone)
		}
		phones[e.phone] = true
		exchange := e.phone / 10_000 % 1000
		if _, problem := importPhone(e.phone.String()); problem != "" || exchange%100 == 11 || exchange == 555 {
			t.Fatalf("%v is no North American number: %s", e.phone, problem)
		}
		// What an import would refuse, a simulation does not make.
		var p Profile
		for field, value := range map[string]string{
			"first_name": e.FirstName, "last_name": e.LastName, "city": e.City, "state": e.State, "country": e.Country,
			"birth_date": e.Birth.String(), "gender": e.Gender, "email": e.Email, "language": e.Language,
		} {
			if err := p.Set(field, value, today); err != nil {
				t.Fatal(err)
			}
		}
		if diff := cmp.Diff(p, e.Profile); diff != "" || p.FirstName == "" || p.LastName == "" {
			t.Fatalf("%s in %+v", diff, p)
		}
		from[e.City]++
		genders[e.Gender]++
		partitions[e.phone.Partition(12)]++
	}
	if from["New York"] < 5*from["Denver"] || len(from) != len(cities) && len(from) < 60 {
		t.Errorf("%d from New York, %d from Denver, %d cities", from["New York"], from["Denver"], len(from))
	}
	if genders["f"] < n/3 || genders["m"] < n/3 || genders["x"] == 0 || genders[""] == 0 {
		t.Errorf("genders %v", genders)
	}
	for p, count := range partitions {
		if count < n/12*9/10 || count > n/12*11/10 {
			t.Errorf("partition %d has %d of %d", p, count, n)
		}
	}
	other, err := newGenerator(4, today).next()
	again, err2 := newGenerator(4, today).next()
	if err != nil || err2 != nil || cmp.Diff(other, again, cmp.AllowUnexported(entry{})) != "" {
		t.Errorf("%+v and %+v of one seed", other, again)
	}
}

func TestAnAreaCodeHasNoNumberTwice(t *testing.T) {
	g := newGenerator(5, NewDate(2026, 9, 21))
	city := simulatedCity{name: "Seattle", state: "WA", areas: []int{206}}
	seen := map[message.Phone]bool{}
	g.lines[206] = areaLines - 20_000 // Round the end of the space.
	for range 20_000 {
		p, err := g.phone(&city)
		if err != nil || seen[p] || p/10_000_000 != 1206 {
			t.Fatalf("%v: %v, twice %t", p, err, seen[p])
		}
		seen[p] = true
	}
	if p, err := g.phone(&city); err == nil {
		t.Errorf("an area code that is used up gave %v", p)
	}
}

func BenchmarkSimulate(b *testing.B) {
	s, err := Open(b.Context(), filepath.Join(b.TempDir(), "a.db"), Options{Partitions: 12})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	if err := s.SyncNumbers(b.Context(), []Number{{Number: ours, Kind: "long_code", Leader: "demo"}}); err != nil {
		b.Fatal(err)
	}
	seed := uint64(0)
	for b.Loop() {
		seed++
		if _, err := s.Simulate(b.Context(), 100_000, seed, ours, nil); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)*100_000/b.Elapsed().Seconds(), "rows/s")
}
