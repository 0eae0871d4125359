//! From tokens to a tree, by precedence; macros become nodes of their own here.

use super::ast::{DEPTH_MAX, Each, Expr, NESTING_MAX, Node, Select, What};
use super::lexer::{Spot, Token, tokens};
use super::signatures;
use super::value::Value;
use super::{Issue, RESERVED};

/// What may stand where a value begins, as upstream's parser lists it.
const VALUE_EXPECTED: &str = "{'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, \
                              BYTES, IDENTIFIER}";

type Parsed<T> = Result<T, Issue>;

pub(super) fn parse(source: &str) -> Parsed<Expr> {
    let mut parser = Parser { spots: tokens(source)?, next: 0, open: 0 };
    let expr = parser.expr()?;
    match parser.peek() {
        Token::End => Ok(expr),
        _ => Err(parser.unexpected("<EOF>")),
    }
}

struct Parser {
    spots: Vec<Spot>,
    next: usize,
    /// How many expressions are being read, each inside the one before.
    open: u32,
}

/// Binary operators, the ones that bind least first.
const LEVELS: [&[(&str, &str)]; 3] = [
    &[("<", "_<_"), ("<=", "_<=_"), (">=", "_>=_"), (">", "_>_"), ("==", "_==_"), ("!=", "_!=_"), ("in", "@in")],
    &[("+", "_+_"), ("-", "_-_")],
    &[("*", "_*_"), ("/", "_/_"), ("%", "_%_")],
];

impl Parser {
    fn spot(&self) -> &Spot {
        &self.spots[self.next.min(self.spots.len() - 1)]
    }

    fn peek(&self) -> &Token {
        &self.spot().token
    }

    fn at(&self) -> usize {
        self.spot().at
    }

    fn is(&self, sign: &str) -> bool {
        matches!(self.peek(), Token::Sign(found) if *found == sign)
    }

    fn take(&mut self, sign: &str) -> bool {
        let found = self.is(sign);
        self.next += usize::from(found);
        found
    }

    fn unexpected(&self, expected: &str) -> Issue {
        let written = match self.peek() {
            Token::End => "<EOF>",
            _ => &self.spot().written,
        };
        Issue { at: self.at(), message: format!("Syntax error: mismatched input '{written}' expecting {expected}") }
    }

    fn need(&mut self, sign: &'static str) -> Parsed<()> {
        if self.take(sign) { Ok(()) } else { Err(self.unexpected(&format!("'{sign}'"))) }
    }

    fn make(at: usize, inner: u32, node: Node) -> Parsed<Expr> {
        let depth = inner + 1;
        if depth > DEPTH_MAX {
            return Err(Issue { at, message: format!("expression recursion limit exceeded: {DEPTH_MAX}") });
        }
        Ok(Expr { at, depth, node })
    }

    fn call(at: usize, function: &str, target: Option<Expr>, arguments: Vec<Expr>) -> Parsed<Expr> {
        let inner = arguments.iter().chain(target.as_ref()).map(|expr| expr.depth).max().unwrap_or(0);
        let target = target.map(Box::new);
        Self::make(at, inner, Node::Call { function: function.to_owned(), target, arguments })
    }

    fn expr(&mut self) -> Parsed<Expr> {
        self.open += 1;
        if self.open > NESTING_MAX {
            let message = format!("expression recursion limit exceeded: {NESTING_MAX}");
            return Err(Issue { at: self.at(), message });
        }
        let condition = self.logic(true)?;
        let at = self.at();
        let expr = if self.take("?") {
            let yes = self.logic(true)?;
            self.need(":")?;
            let no = self.expr()?;
            let inner = condition.depth.max(yes.depth).max(no.depth);
            Self::make(at, inner, Node::Choice(Box::new([condition, yes, no])))?
        } else {
            condition
        };
        self.open -= 1;
        Ok(expr)
    }

    fn logic(&mut self, is_or: bool) -> Parsed<Expr> {
        let sign = if is_or { "||" } else { "&&" };
        let operand = |parser: &mut Self| if is_or { parser.logic(false) } else { parser.binary(0) };
        let first = operand(self)?;
        if !self.is(sign) {
            return Ok(first);
        }
        let at = self.at();
        let mut operands = vec![first];
        while self.take(sign) {
            operands.push(operand(self)?);
        }
        let inner = operands.iter().map(|operand| operand.depth).max().unwrap_or(0);
        Self::make(at, inner, Node::Logic { is_or, operands })
    }

    fn binary(&mut self, level: usize) -> Parsed<Expr> {
        let Some(operators) = LEVELS.get(level) else { return self.unary() };
        let mut left = self.binary(level + 1)?;
        loop {
            let written = match self.peek() {
                Token::Sign(sign) => *sign,
                Token::Name(name) if name == "in" => "in",
                _ => return Ok(left),
            };
            let Some((_, function)) = operators.iter().find(|(operator, _)| *operator == written) else {
                return Ok(left);
            };
            let at = self.at();
            self.next += 1;
            let right = self.binary(level + 1)?;
            left = Self::call(at, function, None, vec![left, right])?;
        }
    }

    fn unary(&mut self) -> Parsed<Expr> {
        let at = self.at();
        for (sign, function) in [("!", "!_"), ("-", "-_")] {
            let mut times = 0;
            while self.is(sign) {
                if sign == "-"
                    && matches!(
                        self.spots.get(self.next + 1).map(|spot| &spot.token),
                        Some(Token::Int(_) | Token::Float(_))
                    )
                {
                    break;
                }
                self.next += 1;
                times += 1;
            }
            if times > 0 {
                let inner = self.member()?;
                return if times % 2 == 0 { Ok(inner) } else { Self::call(at, function, None, vec![inner]) };
            }
        }
        self.member()
    }

    fn member(&mut self) -> Parsed<Expr> {
        let mut expr = self.primary()?;
        loop {
            let at = self.at();
            if self.take(".") {
                let optional = self.take("?");
                let name = self.field_name()?;
                let open = self.at();
                if !optional && self.take("(") {
                    let arguments = self.list(")")?;
                    expr = Self::method(open, expr, name, arguments)?;
                    continue;
                }
                let how = if optional { Select::Optional } else { Select::Value };
                let inner = expr.depth;
                expr = Self::make(at, inner, Node::Select { of: Box::new(expr), field: name, how })?;
            } else if self.take("[") {
                let optional = self.take("?");
                let index = self.expr()?;
                self.need("]")?;
                let function = if optional { "_[?_]" } else { "_[_]" };
                expr = Self::call(at, function, None, vec![expr, index])?;
            } else if self.is("{")
                && let Some(name) = expr.qualified_name()
            {
                expr = self.object_literal(expr.at, name)?;
            } else {
                return Ok(expr);
            }
        }
    }

    fn object_literal(&mut self, at: usize, name: String) -> Parsed<Expr> {
        self.need("{")?;
        let (mut fields, mut inner) = (Vec::new(), 0);
        while !self.take("}") {
            let optional = self.take("?");
            let field = self.field_name()?;
            self.need(":")?;
            let value = self.expr()?;
            inner = inner.max(value.depth);
            fields.push((field, value, optional));
            if !self.take(",") {
                self.need("}")?;
                break;
            }
        }
        Self::make(at, inner, Node::Object { name, fields })
    }

    fn field_name(&mut self) -> Parsed<String> {
        match self.peek() {
            Token::Name(name) if !matches!(name.as_str(), "true" | "false" | "null" | "in") => {
                let name = name.clone();
                self.next += 1;
                Ok(name)
            }
            _ => Err(self.unexpected("IDENTIFIER")),
        }
    }

    fn list(&mut self, end: &'static str) -> Parsed<Vec<Expr>> {
        let mut items = Vec::new();
        if self.take(end) {
            return Ok(items);
        }
        loop {
            items.push(self.expr()?);
            if self.take(end) {
                return Ok(items);
            }
            if !self.take(",") {
                return Err(self.unexpected(&format!("{{',', '{end}'}}")));
            }
        }
    }

    fn primary(&mut self) -> Parsed<Expr> {
        let at = self.at();
        let token = self.peek().clone();
        let literal = |parser: &mut Self, value| {
            parser.next += 1;
            Self::make(at, 0, Node::Literal(value))
        };
        match token {
            Token::Text(text) => literal(self, Value::text(text)),
            Token::Bytes(bytes) => literal(self, Value::Bytes(bytes.into())),
            Token::Int(_) | Token::Uint(_) | Token::Float(_) => {
                let value = self.number(&token, "")?;
                literal(self, value)
            }
            Token::Sign("-") => {
                self.next += 1;
                let number = self.peek().clone();
                let value = self.number(&number, "-")?;
                literal(self, value)
            }
            Token::Name(name) => match name.as_str() {
                "true" => literal(self, Value::Bool(true)),
                "false" => literal(self, Value::Bool(false)),
                "null" => literal(self, Value::Null),
                name => {
                    self.next += 1;
                    self.name(at, name)
                }
            },
            Token::Sign("(") => {
                self.next += 1;
                let inner = self.expr()?;
                self.need(")")?;
                Ok(inner)
            }
            Token::Sign("[") => {
                self.next += 1;
                self.list_literal(at)
            }
            Token::Sign("{") => {
                self.next += 1;
                self.map_literal(at)
            }
            Token::Sign(".") => {
                self.next += 1;
                let name = self.field_name()?;
                self.name(at, &name)
            }
            Token::Sign(_) | Token::End => Err(self.unexpected(VALUE_EXPECTED)),
        }
    }

    fn number(&self, token: &Token, sign: &str) -> Parsed<Value> {
        let at = self.at();
        let invalid = |what: &str| Issue { at, message: format!("invalid {what} literal") };
        let whole = |text: &str| match text.strip_prefix("0x") {
            Some(digits) => i128::from_str_radix(digits, 16).ok(),
            None => text.parse::<i128>().ok(),
        };
        match token {
            Token::Int(text) => {
                let value = whole(text).map(|value| if sign.is_empty() { value } else { -value });
                let value = value.and_then(|value| i64::try_from(value).ok());
                value.map(Value::Int).ok_or_else(|| invalid("int"))
            }
            Token::Uint(text) => {
                let value = whole(text).and_then(|value| u64::try_from(value).ok());
                value.map(Value::Uint).ok_or_else(|| invalid("uint"))
            }
            Token::Float(text) => format!("{sign}{text}").parse().map(Value::Double).map_err(|_| invalid("double")),
            _ => Err(self.unexpected(VALUE_EXPECTED)),
        }
    }

    /// A variable or a call; the name itself has been read.
    fn name(&mut self, at: usize, name: &str) -> Parsed<Expr> {
        if RESERVED.contains(&name) {
            return Err(Issue { at, message: format!("reserved identifier: {name}") });
        }
        let open = self.at();
        if !self.take("(") {
            return Self::make(at, 0, Node::Name(name.to_owned()));
        }
        let mut arguments = self.list(")")?;
        if name == "has" {
            let wrong = Issue { at: open, message: "invalid argument to has() macro".to_owned() };
            let only = arguments.pop().filter(|_| arguments.is_empty()).ok_or_else(|| wrong.clone())?;
            let Node::Select { of, field, how: Select::Value } = only.node else { return Err(wrong) };
            return Self::make(open, only.depth, Node::Select { of, field, how: Select::Has });
        }
        Self::call(open, name, None, arguments)
    }

    fn list_literal(&mut self, at: usize) -> Parsed<Expr> {
        let (mut items, mut inner) = (Vec::new(), 0);
        while !self.take("]") {
            let optional = self.take("?");
            let item = self.expr()?;
            inner = inner.max(item.depth);
            items.push((item, optional));
            if !self.take(",") {
                self.need("]")?;
                break;
            }
        }
        Self::make(at, inner, Node::List(items))
    }

    fn map_literal(&mut self, at: usize) -> Parsed<Expr> {
        let (mut entries, mut inner) = (Vec::new(), 0);
        while !self.take("}") {
            let optional = self.take("?");
            let key = self.expr()?;
            self.need(":")?;
            let value = self.expr()?;
            inner = inner.max(key.depth).max(value.depth);
            entries.push((key, value, optional));
            if !self.take(",") {
                self.need("}")?;
                break;
            }
        }
        Self::make(at, inner, Node::Map(entries))
    }

    fn method(at: usize, target: Expr, name: String, arguments: Vec<Expr>) -> Parsed<Expr> {
        if let Node::Name(space) = &target.node {
            let qualified = format!("{space}.{name}");
            if signatures::is_function(&qualified) {
                return Self::call(at, &qualified, None, arguments);
            }
        }
        let what = match (name.as_str(), arguments.len()) {
            ("all", 2 | 3) => What::All,
            ("exists", 2 | 3) => What::Exists,
            ("exists_one" | "existsOne", 2 | 3) => What::ExistsOne,
            ("filter", 2) => What::Filter,
            ("map", 2 | 3) | ("transformList", 3 | 4) => What::List,
            ("transformMap", 3 | 4) => What::Map,
            ("optMap" | "optFlatMap", 2) => return Self::opt_map(at, target, &name, arguments),
            _ => return Self::call(at, &name, Some(target), arguments),
        };
        let is_pair = name.starts_with("transform") || name != "map" && arguments.len() == 3;
        let mut arguments = arguments.into_iter();
        let mut variable = || {
            let expr = arguments.next().filter(|expr| matches!(expr.node, Node::Name(_)));
            match expr.map(|expr| expr.node) {
                Some(Node::Name(name)) => Ok(name),
                _ => Err(Issue { at, message: "argument must be a simple name".to_owned() }),
            }
        };
        let (variable, second) = (variable()?, if is_pair { Some(variable()?) } else { None });
        let (first, last) = (arguments.next(), arguments.next());
        let missing = || Issue { at, message: "a macro without its body".to_owned() };
        let (filter, body) = match (first, last) {
            (filter @ Some(_), Some(body)) => (filter, body),
            (Some(body), None) => (None, body),
            (None, _) => return Err(missing()),
        };
        let inner = target.depth.max(body.depth).max(filter.as_ref().map_or(0, |filter| filter.depth));
        let each = Each { what, over: target, variable, second, filter, body };
        Self::make(at, inner, Node::Each(Box::new(each)))
    }

    fn opt_map(at: usize, target: Expr, name: &str, arguments: Vec<Expr>) -> Parsed<Expr> {
        let mut arguments = arguments.into_iter();
        let (variable, value) = (arguments.next().map(|expr| expr.node), arguments.next());
        let (Some(Node::Name(variable)), Some(value)) = (variable, value) else {
            return Err(Issue { at, message: format!("{name}() variable name must be a simple identifier") });
        };
        let inner = target.depth.max(value.depth);
        let is_flat = name == "optFlatMap";
        let node = Node::OptMap { of: Box::new(target), variable, value: Box::new(value), is_flat };
        Self::make(at, inner, node)
    }
}
