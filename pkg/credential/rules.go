package credential

// Rule is a form in which credentials are written.
type Rule struct {
	// ID is in facts and reports. It never changes.
	ID string
	// Title says what was found: "an access key of AWS".
	Title  string
	Weight Weight
}

// Weight is how sure a rule is, and what the credential opens.
type Weight int

// The weights, least first.
const (
	// Guess is a telling name with a value that looks random. It may be wrong.
	Guess Weight = iota
	// Token is a form that an issuer defines: it opens one service.
	Token
	// Key is a private key, or the key of a cloud account.
	Key
)

// The IDs that code outside this package's tables names.
const (
	TellingName  = "telling-name"
	URLPassword  = "url-password"
	DatabaseURL  = "database-url"
	PrivateKey   = "private-key"
	DockerAuth   = "docker-auth"
	JSONWebToken = "json-web-token"
	awsSecretKey = "aws-secret-key"
	azureSAS     = "azure-sas"
	httpAuth     = "http-authorization"
)

// rules lists every rule. Results are in this order. There are at most 64.
var rules = []Rule{
	{PrivateKey, "a private key", Key},
	{"aws-access-key", "an access key of AWS", Key},
	{awsSecretKey, "a secret access key of AWS", Key},
	{"gcp-service-account", "a key of a Google service account", Key},
	{"azure-storage-key", "an account key of Azure storage", Key},
	{"azure-client-secret", "a client secret of Microsoft Entra ID", Key},
	{"age-secret-key", "a secret key of age", Key},
	{"azure-shared-key", "a shared access key of Azure", Token},
	{azureSAS, "a shared access signature of Azure", Token},
	{"google-api-key", "an API key of Google", Token},
	{"google-oauth-secret", "an OAuth client secret of Google", Token},
	{"github-token", "a token of GitHub", Token},
	{"gitlab-token", "a token of GitLab", Token},
	{"slack-token", "a token of Slack", Token},
	{"slack-webhook", "a webhook of Slack", Token},
	{"discord-webhook", "a webhook of Discord", Token},
	{"stripe-key", "a key of Stripe", Token},
	{JSONWebToken, "a JSON Web Token", Token},
	{"npm-token", "a token of npm", Token},
	{"pypi-token", "a token of PyPI", Token},
	{DockerAuth, "a login to an image registry", Token},
	{"docker-token", "a token of Docker Hub", Token},
	{"sendgrid-key", "a key of SendGrid", Token},
	{"vault-token", "a token of Vault", Token},
	{"huggingface-token", "a token of Hugging Face", Token},
	{"openai-key", "a key of OpenAI", Token},
	{"anthropic-key", "a key of Anthropic", Token},
	{"digitalocean-token", "a token of DigitalOcean", Token},
	{"shopify-token", "a token of Shopify", Token},
	{"grafana-token", "a token of Grafana", Token},
	{"databricks-token", "a token of Databricks", Token},
	{"terraform-token", "a token of HCP Terraform", Token},
	{"tailscale-key", "a key of Tailscale", Token},
	{"doppler-token", "a token of Doppler", Token},
	{"rubygems-key", "a key of RubyGems", Token},
	{DatabaseURL, "the URL of a database with its password", Token},
	{URLPassword, "a URL with a password", Token},
	{httpAuth, "an HTTP Authorization header", Guess},
	{TellingName, "a random value under a name such as password or token", Guess},
}

// Rules lists every rule. The slice is the caller's.
func Rules() []Rule { return append([]Rule(nil), rules...) }

// Lookup finds a rule by its ID.
func Lookup(id string) (Rule, bool) {
	for _, r := range rules {
		if r.ID == id {
			return r, true
		}
	}
	return Rule{}, false
}

// number is a rule's place in rules.
func number(id string) int {
	for i := range rules {
		if rules[i].ID == id {
			return i
		}
	}
	panic("credential: no rule " + id)
}
