package apijson

import (
	"encoding/json"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	kjson "sigs.k8s.io/json"
)

// object has what a reader of manifests takes.
type object struct {
	Kind     string `json:"kind"`
	Metadata struct {
		Name   string            `json:"name"`
		Labels map[string]string `json:"labels"`
	} `json:"metadata"`
	Spec  *corev1.PodSpec `json:"spec"`
	Items json.RawMessage `json:"items"`
	inner
	Other anything `json:"other"`
}

// inner is embedded, anything takes any value.
type inner struct {
	Paused bool `json:"paused"`
}

type anything struct{}

func (*anything) UnmarshalJSON([]byte) error { return nil }

var objects = For[object]()

// same checks that the decoder gives what the usual one gives, or leaves it to that. It
// reports whether it gave something.
func same(t *testing.T, text []byte, names *Names) bool {
	t.Helper()
	var got, want object
	if !objects.Decode(text, &got, names) {
		return false
	}
	twice, err := kjson.UnmarshalStrict(text, &want)
	if err != nil || len(twice) > 0 {
		t.Fatalf("%q was decoded, which the usual decoder refuses: %v %v", text, err, twice)
	}
	if !reflect.DeepEqual(got, want) && !equality.Semantic.DeepEqual(got, want) {
		t.Fatalf("%q differs (-want +got):\n%s", text, cmp.Diff(want, got))
	}
	return true
}

func TestDecode(t *testing.T) {
	for name, tc := range map[string]struct {
		text string
		want bool // false if the usual decoder has to look at it
	}{
		"a whole pod":                         {`{"kind":"Pod","metadata":{"name":"a","labels":{"a":"b"}},"spec":{"containers":[{"name":"c","image":"i","resources":{"limits":{"cpu":"1","memory":100}},"livenessProbe":{"httpGet":{"port":80}}}],"volumes":[{"name":"v","emptyDir":{"sizeLimit":"1Gi"}},{"name":"w","hostPath":{"path":"/"}}]}}`, true},
		"white space":                         {" {\r\n\t\"spec\" : { \"containers\" : [ { \"name\" : \"c\" } , { } ] , \"hostPID\" : true } } \n", true},
		"nulls":                               {`{"kind":null,"metadata":null,"spec":{"containers":[null],"hostPID":null,"priority":null,"nodeSelector":null,"securityContext":null}}`, true},
		"a null in a map of texts":            {`{"metadata":{"labels":{"a":null}}}`, true},
		"empty lists and maps":                {`{"metadata":{"labels":{}},"spec":{"containers":[],"nodeSelector":{},"tolerations":[]}}`, true},
		"any value":                           {`{"other":{"a":[1,2.5e-3,"\u00e9",true,false,null,{}],"a":1}}`, true},
		"a field of an embedded type":         {`{"paused":true}`, true},
		"a field that the type does not have": {`{"uid":"a"}`, false},
		"a misspelt field of a container":     {`{"spec":{"containers":[{"securitycontext":{}}]}}`, false},
		"the name of an embedded type":        {`{"inner":{}}`, false},
		"escapes":                             {`{"kind":"a\u00e9\n\ud83d\ude00","spec":{}}`, true},
		"a half of a surrogate pair":          {`{"kind":"\ud83d","spec":{}}`, true},
		"letters besides ASCII":               {`{"kind":"é","metadata":{"labels":{"ü":"ö"}}}`, true},
		"bytes that are no UTF-8":             {"{\"kind\":\"\xff\"}", true},
		"a raw list":                          {`{"items": [ {"a" : 1} , 2 ] }`, true},
		"null for a raw list":                 {`{"items":null}`, true},
		"a number or text":                    {`{"spec":{"containers":[{"livenessProbe":{"httpGet":{"port":"http"}}}]}}`, true},
		"the largest number":                  {`{"spec":{"priority":2147483647,"terminationGracePeriodSeconds":-999999999999999999}}`, true},
		"a text of a time":                    {`{"spec":{"volumes":[{"ephemeral":{"volumeClaimTemplate":{"metadata":{"creationTimestamp":"2020-01-01T00:00:00Z"}}}}]}}`, true},
		"a name in another case":              {`{"Kind":"a"}`, false},
		"a field twice":                       {`{"spec":{"hostPID":true,"hostPID":false}}`, false},
		"a field twice, first null":           {`{"spec":null,"spec":{}}`, false},
		"a label twice":                       {`{"metadata":{"labels":{"a":"1","a":"2"}}}`, false},
		"a label twice, once with an escape":  {`{"metadata":{"labels":{"a":"1","\u0061":"2"}}}`, false},
		"a resource twice":                    {`{"spec":{"containers":[{"resources":{"limits":{"cpu":1,"cpu":2}}}]}}`, false},
		"a field's name with an escape":       {`{"\u006bind":"a"}`, false},
		"a text for a number":                 {`{"spec":{"priority":"1"}}`, false},
		"a number for a text":                 {`{"kind":1}`, false},
		"a number that is too large":          {`{"spec":{"priority":2147483648}}`, false},
		"a fraction for a whole number":       {`{"spec":{"priority":1.0}}`, false},
		"a number with a zero before it":      {`{"spec":{"priority":01}}`, false},
		"a resource with a zero before it":    {`{"spec":{"containers":[{"resources":{"limits":{"cpu":01}}}]}}`, false},
		"a list for an object":                {`{"spec":[]}`, false},
		"an object for a list":                {`{"spec":{"containers":{}}}`, false},
		"a text for a truth":                  {`{"spec":{"hostPID":"true"}}`, false},
		"no quantity":                         {`{"spec":{"containers":[{"resources":{"limits":{"cpu":"much"}}}]}}`, false},
		"no time":                             {`{"spec":{"volumes":[{"ephemeral":{"volumeClaimTemplate":{"metadata":{"creationTimestamp":"today"}}}}]}}`, false},
		"a bracket too many":                  {`{"spec":{}}}`, false},
		"a bracket too few":                   {`{"spec":{}`, false},
		"a comma too many":                    {`{"spec":{},}`, false},
		"a comma too few":                     {`{"kind":"a" "spec":{}}`, false},
		"a wrong bracket":                     {`{"spec":{"containers":[}]}`, false},
		"a word that is none":                 {`{"spec":{"hostPID":truth}}`, false},
		"any value with a wrong escape":       {`{"other":"\x"}`, false},
		"any value with a wrong number":       {`{"other":[1.]}`, false},
		"a line break in a text":              {"{\"kind\":\"a\nb\"}", false},
		"any value that is nested too deep":   {`{"other":` + strings.Repeat("[", 1002) + strings.Repeat("]", 1002) + `}`, false},
		"nothing":                             {``, false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := same(t, []byte(tc.text), new(Names)); got != tc.want {
				t.Errorf("want decoded %v, got %v", tc.want, got)
			}
			for n := range len(tc.text) { // a text that was cut
				same(t, []byte(tc.text[:n]), nil)
			}
		})
	}
}

// FuzzDecode changes texts at random: whatever is decoded is what the usual decoder makes of it.
func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"kind":"Pod","metadata":{"name":"a","labels":{"a":"\u0062"}},"spec":{"containers":[{"name":"c","resources":{"limits":{"cpu":"1"}},"livenessProbe":{"httpGet":{"port":80}}}],"volumes":[{"name":"v","emptyDir":{"sizeLimit":"1Gi"}}]},"other":[1.5e3,{"a":"\\u00e9"}]}`))
	f.Add([]byte(`{"items":[1, {"a":null}],"spec":{"securityContext":{"sysctls":[{"name":"a","value":"b"}],"runAsUser":0,"windowsOptions":{"hostProcess":true}}}}`))
	names := new(Names)
	f.Fuzz(func(t *testing.T, text []byte) { same(t, text, names) })
}

// TestEveryField decodes specs whose fields are all set at random, and texts with a byte of
// theirs changed.
func TestEveryField(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	names := new(Names)
	for range 12 {
		var want object
		want.Spec = new(corev1.PodSpec)
		fill(random, reflect.ValueOf(want.Spec).Elem())
		text, err := json.Marshal(map[string]any{"spec": want.Spec})
		if err != nil {
			t.Fatal(err)
		}
		if !same(t, text, names) {
			t.Fatalf("not decoded: %s", text)
		}
		for range 50 {
			changed := slices.Clone(text)
			changed[random.IntN(len(changed))] = `{}[],:"\0-. eltrunfs`[random.IntN(20)]
			same(t, changed, names)
		}
	}
}

// fill sets the fields of a value; most of them, so that specs differ.
func fill(random *rand.Rand, v reflect.Value) {
	switch v.Interface().(type) {
	case resource.Quantity:
		v.Set(reflect.ValueOf(resource.MustParse([]string{"1", "100m", "1Gi", "1.5", "-3e3"}[random.IntN(5)])))
		return
	case intstr.IntOrString:
		v.Set(reflect.ValueOf([]intstr.IntOrString{intstr.FromInt32(int32(random.IntN(70000))), intstr.FromString("http")}[random.IntN(2)]))
		return
	case metav1.Time:
		v.Set(reflect.ValueOf(metav1.Unix(random.Int64N(1e9), 0)))
		return
	case metav1.FieldsV1:
		v.Set(reflect.ValueOf(*metav1.NewFieldsV1(`{"f:spec":{}}`)))
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString([]string{"", "a", "metadata.name", "é \U0001F600", "a\n\"b\"<&>\\", strings.Repeat("long ", 20)}[random.IntN(6)])
	case reflect.Bool:
		v.SetBool(random.IntN(2) == 0)
	case reflect.Int32, reflect.Int64:
		v.SetInt(int64(int32(random.Uint32())))
	case reflect.Pointer:
		if random.IntN(8) > 0 {
			v.Set(reflect.New(v.Type().Elem()))
			fill(random, v.Elem())
		}
	case reflect.Slice:
		for range random.IntN(4) {
			v.Grow(1)
			v.SetLen(v.Len() + 1)
			fill(random, v.Index(v.Len()-1))
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		for range random.IntN(4) {
			key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
			fill(random, key)
			fill(random, value)
			v.SetMapIndex(key, value)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			fill(random, v.Field(i))
		}
	default:
		panic("a field of type " + v.Type().String())
	}
}

type nothing struct{}

func TestForPanicsForTypesItCannotDecode(t *testing.T) {
	for name, make := range map[string]func(){
		"an interface":        func() { For[struct{ A any }]() },
		"a float":             func() { For[struct{ A float64 }]() },
		"bytes":               func() { For[struct{ A []byte }]() },
		"an embedded pointer": func() { For[struct{ *nothing }]() },
		"a number in a string": func() {
			For[struct {
				A int `json:"a,string"`
			}]()
		},
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("want a panic")
				}
			}()
			make()
		})
	}
}
